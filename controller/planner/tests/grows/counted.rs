//! What counts of a size before anything is decided. No I/O.

use raidc_planner::{Placement, Server};

/// One that has a place and what it asks for.
fn settled() -> Server {
    let mut server = Server {
        cpu_milli: 2000,
        memory_mib: 1024,
        overhead_mib: 100,
        storage_mib: 10,
        current: Some(Placement::default()),
        ..Server::default()
    };
    server.granted = Some(server.asked());
    server
}

/// Each measure with so much more.
fn with_more(by: i64) -> [Server; 4] {
    let [mut cpu, mut memory, mut overhead, mut storage] = [(); 4].map(|()| settled());
    cpu.cpu_milli += by;
    memory.memory_mib += by;
    overhead.overhead_mib += by;
    storage.storage_mib += by;
    [cpu, memory, overhead, storage]
}

#[test]
fn no_size_counts_before_it_is_granted() {
    for server in with_more(1) {
        assert_eq!(server.granted, Some(server.counted()));
        let newcomer = Server {
            current: None,
            ..server.clone()
        };
        assert_eq!(newcomer.counted(), server.asked());
    }
    for server in with_more(-1).into_iter().chain(with_more(0)) {
        assert_eq!(server.counted(), server.asked());
    }
}

#[test]
fn no_figure_that_cannot_be_true_is_a_smaller_size() {
    let least = [1, 1, 0, 0];
    let set = |server: &mut Server, amounts: [i64; 4]| {
        let [cpu, memory, overhead, storage] = amounts;
        (server.cpu_milli, server.memory_mib) = (cpu, memory);
        (server.overhead_mib, server.storage_mib) = (overhead, storage);
    };
    let mut server = settled();
    set(&mut server, least);
    assert_eq!(server.counted(), server.asked());
    for measure in 0..4 {
        let mut amounts = least;
        amounts[measure] -= 1;
        set(&mut server, amounts);
        assert_eq!(Some(server.counted()), server.granted, "{amounts:?}");
    }
}
