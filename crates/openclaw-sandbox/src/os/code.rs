//! Giving back the memory of code that nothing runs now.
//!
//! The kernel maps 64 KiB of a program around each byte of code that runs, and
//! keeps them mapped for as long as there is memory to spare. Two thirds of what
//! an idle gateway has resident is such code, most of it used once, at the start.

use std::io;

/// Unmaps this program's own code; returns the bytes of code there are. What runs
/// again is mapped again from the page cache, at some 0.1 ms in all.
///
/// # Errors
/// When the kernel does not tell where the code is, or refuses.
#[cfg(target_os = "linux")]
pub fn release_code() -> io::Result<usize> {
    advise(rustix::mm::Advice::LinuxDontNeed)
}

/// Advises the kernel about this program's own code; returns its bytes. Only advice
/// that leaves a page of a file what it is belongs here.
#[cfg(target_os = "linux")]
fn advise(advice: rustix::mm::Advice) -> io::Result<usize> {
    let program = std::fs::read_link("/proc/self/exe")?;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mut bytes = 0;
    for range in code_of(&maps, &program.to_string_lossy()) {
        let start = std::ptr::with_exposed_provenance_mut(range.start);
        // SAFETY: the range is a mapping of this program's file that nobody can write
        // to, so each of its pages is the file's. Dropping one loses nothing: the next
        // access maps the same page again.
        #[expect(unsafe_code, reason = "there is no safe way to speak of code")]
        unsafe {
            rustix::mm::madvise(start, range.len(), advice)?;
        }
        bytes += range.len();
    }
    Ok(bytes)
}

/// Elsewhere the system decides by itself.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn release_code() -> io::Result<usize> {
    Ok(0)
}

/// Returns the mappings of a program's code: readable, executable, private and not
/// writable (proc_pid_maps(5)). A page that was written to is not the file's any more.
#[cfg(target_os = "linux")]
fn code_of<'a>(maps: &'a str, program: &'a str) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
    maps.lines().filter_map(move |line| {
        let (range, rest) = line.split_once(' ')?;
        let (access, rest) = rest.split_once(' ')?;
        // The path is the last field, and may hold spaces.
        let path = rest.splitn(4, ' ').nth(3)?.trim_start();
        let (start, end) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        (access == "r-xp" && path == program).then_some(address(start)?..address(end)?)
    })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    const MAPS: &str = "\
55e457200000-55e457c00000 r--p 00000000 fe:00 10018896                   /opt/my claw/openclaw
55e457c00000-55e458c25000 r-xp 0051e000 fe:00 10018896                   /opt/my claw/openclaw
55e458c25000-55e458c26000 rwxp 0151e000 fe:00 10018896                   /opt/my claw/openclaw
55e458c26000-55e458d00000 rw-p 0151e000 fe:00 10018896                   /opt/my claw/openclaw
7f26834f9000-7f268364f000 r-xp 00026000 fe:00 326279                     /usr/lib/libc.so.6
7f26836f9000-7f268374f000 r-xp 00000000 00:00 0
7ffd1b5fe000-7ffd1b600000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn only_the_programs_own_code_that_cannot_be_written_counts() {
        let mut found = code_of(MAPS, "/opt/my claw/openclaw");
        assert_eq!((found.next(), found.next()), (Some(0x55e4_57c0_0000..0x55e4_58c2_5000), None));
        assert_eq!(code_of(MAPS, "/opt/my").count(), 0);
    }

    /// Returns the resident bytes of this program's code.
    fn resident() -> u64 {
        let program = std::fs::read_link("/proc/self/exe").unwrap();
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let code =
            smaps.lines().skip_while(|line| !(line.contains(" r-xp ") && line.ends_with(&*program.to_string_lossy())));
        let rss = code.into_iter().find(|line| line.starts_with("Rss:")).unwrap();
        rss.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    #[test]
    fn code_is_unmapped_and_runs_all_the_same() {
        let bytes = advise(rustix::mm::Advice::LinuxPopulateRead).unwrap() as u64;
        assert_eq!(resident(), bytes, "all code was asked for");
        assert_eq!(release_code().unwrap() as u64, bytes);
        let after = resident();
        assert!(after < bytes / 4 * 3, "{after} of {bytes} bytes are resident still");
    }
}
