//! Facts about the machine, asked of the kernel.

/// Returns the host's name.
pub(crate) fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// Returns the release of the operating system.
pub(crate) fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Returns total and free bytes of memory; zeros where the kernel does not say.
pub(crate) fn memory_bytes() -> (u64, u64) {
    #[cfg(target_os = "linux")]
    {
        let info = rustix::system::sysinfo();
        let unit = u64::from(info.mem_unit.max(1));
        (u64::from(info.totalram).saturating_mul(unit), u64::from(info.freeram).saturating_mul(unit))
    }
    #[cfg(not(target_os = "linux"))]
    (0, 0)
}

/// Returns how many processors we may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns our process id.
pub(crate) fn pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}
