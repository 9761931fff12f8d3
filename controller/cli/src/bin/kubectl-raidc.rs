//! Wiring only: the command under the name `kubectl-raidc`.

fn main() -> std::process::ExitCode {
    raidc_cli::main()
}
