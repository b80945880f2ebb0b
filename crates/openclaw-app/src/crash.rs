//! Ends the program at a chosen write, for the crash matrix.
//!
//! Only a build with the feature `crash-points` reads the variables below; every
//! other build has no hook. `OPENCLAW_CRASH_AT=<site>/<moment>:<nth>` kills the
//! process with SIGKILL at that occurrence. `OPENCLAW_CRASH_TRACE=<file>` notes
//! every site in the order in which it is reached, one `<site>/<moment>` per line.

use openclaw_config::Env;
use openclaw_domain::ports::CrashHook;

/// Returns the hook of this build; `None` but for the crash matrix.
///
/// # Errors
/// When a variable does not name a site and a moment.
#[cfg(not(feature = "crash-points"))]
pub(crate) fn hook(_env: &Env) -> anyhow::Result<Option<CrashHook>> {
    Ok(None)
}

#[cfg(feature = "crash-points")]
pub(crate) use watched::hook;

#[cfg(feature = "crash-points")]
mod watched {
    use std::fs::File;
    use std::io::Write as _;
    use std::str::FromStr;
    use std::sync::atomic::{AtomicU64, Ordering};

    use anyhow::Context as _;
    use openclaw_domain::ports::{Moment, SITES, Site};

    use super::{CrashHook, Env};

    /// How long a write that will never happen is held, like one of a slow disk.
    const LINGER: std::time::Duration = std::time::Duration::from_millis(25);

    /// Where to end.
    struct Target {
        site: Site,
        moment: Moment,
        nth: u64,
        seen: AtomicU64,
    }

    /// Returns the hook that the variables ask for.
    pub(crate) fn hook(env: &Env) -> anyhow::Result<Option<CrashHook>> {
        let target = env.get("OPENCLAW_CRASH_AT").map(str::parse::<Target>).transpose()?;
        let open = |path: &str| File::options().create(true).append(true).open(path).with_context(|| path.to_owned());
        let trace = env.get("OPENCLAW_CRASH_TRACE").map(open).transpose()?;
        if target.is_none() && trace.is_none() {
            return Ok(None);
        }
        Ok(Some(CrashHook::new(move |site, moment| {
            if let Some(mut trace) = trace.as_ref() {
                // One write per line: several threads share the file.
                let written = trace.write_all(format!("{site}/{}\n", moment.as_str()).as_bytes());
                written.unwrap_or_else(|error| tracing::error!(%error, "the crash trace was not written"));
            }
            if let Some(target) = &target
                && (target.site, target.moment) == (site, moment)
                && target.seen.fetch_add(1, Ordering::Relaxed) + 1 == target.nth
            {
                // Who does not wait for this write, though it should, gets on meanwhile.
                std::thread::sleep(LINGER);
                openclaw_sandbox::process::kill_self();
            }
        })))
    }

    impl FromStr for Target {
        type Err = anyhow::Error;

        fn from_str(text: &str) -> anyhow::Result<Self> {
            let form = || format!("OPENCLAW_CRASH_AT={text} is not <site>/<moment>:<nth>");
            let (place, nth) = text.rsplit_once(':').with_context(form)?;
            let (site, moment) = place.rsplit_once('/').with_context(form)?;
            let site = SITES.into_iter().find(|it| it.to_string() == site).with_context(form)?;
            let moment = Moment::ALL.into_iter().find(|it| it.as_str() == moment).with_context(form)?;
            Ok(Self { site, moment, nth: nth.parse().with_context(form)?, seen: AtomicU64::new(0) })
        }
    }
}
