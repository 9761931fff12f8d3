//! Wiring only: the command under the name `raidc`.

fn main() -> std::process::ExitCode {
    raidc_cli::main()
}
