//! Where a server is when its status was lost: read from its VirtualMachine. No I/O.
