//! Ending this very process without a chance to clean up.

/// Kills this process with SIGKILL, as a power switch would: no destructor, no
/// flush. For the crash matrix.
pub fn kill_self() -> ! {
    let own = rustix::process::getpid();
    loop {
        // The signal cannot be refused; should the kernel be slow, it is asked again.
        let _sent = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
}
