//! Facts about this machine, for `system.info`.

/// Reads the facts once; what cannot be read is left empty.
pub(crate) fn facts() -> openclaw_gateway::Machine {
    let uname = rustix::system::uname();
    let text = |value: &std::ffi::CStr| value.to_string_lossy().into_owned();
    let (memory_total_bytes, memory_free_bytes) = memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default());
    openclaw_gateway::Machine {
        hostname: text(uname.nodename()),
        release: text(uname.release()),
        memory_total_bytes,
        memory_free_bytes,
    }
}

fn memory(meminfo: &str) -> (u64, u64) {
    let kib = |name: &str| {
        let line = meminfo.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    (kib("MemTotal:").unwrap_or(0) * 1024, kib("MemAvailable:").unwrap_or(0) * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_read_in_bytes_and_missing_lines_are_zero() {
        assert_eq!(super::memory("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\n"), (2_097_152, 1_048_576));
        assert_eq!(super::memory(""), (0, 0));
    }
}
