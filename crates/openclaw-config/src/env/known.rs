//! The environment variables the product reads, and the setting each one sets.
//!
//! One row per variable. [`crate::Loader`] applies the rows that name a
//! setting; the others are read where they are used. A variable that tightens
//! security never loosens it when set to 0.

/// One supported variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The setting it stands in for, if it is one.
    pub setting: Option<&'static str>,
    /// Whether it wins over the file (otherwise it fills a gap).
    pub wins: bool,
    /// What it does, in one line.
    pub doc: &'static str,
}

const fn row(name: &'static str, doc: &'static str) -> Variable {
    Variable { name, setting: None, wins: false, doc }
}

const fn over(name: &'static str, setting: &'static str, doc: &'static str) -> Variable {
    Variable { name, setting: Some(setting), wins: true, doc }
}

const fn under(name: &'static str, setting: &'static str, doc: &'static str) -> Variable {
    Variable { name, setting: Some(setting), wins: false, doc }
}

/// Every supported variable. Of two rows for one setting the earlier wins.
pub const KNOWN: &[Variable] = &[
    row("OPENCLAW_HOME", "home directory used for all default paths"),
    row("OPENCLAW_STATE_DIR", "state directory, ~ expands"),
    row("OPENCLAW_CONFIG_PATH", "configuration file, ~ expands"),
    row("OPENCLAW_PROFILE", "profile name; the --profile flag also moves the files"),
    row("OPENCLAW_INCLUDE_ROOTS", "further folders $include may read from"),
    row("OPENCLAW_CONFIG_READONLY", "1 refuses every configuration write"),
    row("OPENCLAW_NIX_MODE", "1 refuses configuration writes and installs"),
    under("OPENCLAW_WORKSPACE_DIR", "agents.defaults.workspace", "default workspace; the configured one wins"),
    row("OPENCLAW_AGENT_DIR", "agent directory for models and sign-ins"),
    row("OPENCLAW_OAUTH_DIR", "older credentials directory"),
    row("OPENCLAW_GATEWAY_URL", "remote gateway for clients"),
    over("OPENCLAW_GATEWAY_PORT", "gateway.port", "port of the local gateway"),
    under("OPENCLAW_GATEWAY_TOKEN", "gateway.auth.token", "gateway token; the configured one wins"),
    under("OPENCLAW_GATEWAY_PASSWORD", "gateway.auth.password", "gateway password; the configured one wins"),
    row("OPENCLAW_LOAD_SHELL_ENV", "import missing keys from the login shell"),
    row("OPENCLAW_SHELL_ENV_TIMEOUT_MS", "limit of that import"),
    over("OPENCLAW_LOG_LEVEL", "logging.level", "level of the log file"),
    over("OPENCLAW_LOG_LEVEL", "logging.consoleLevel", "level of the console"),
    row("OPENCLAW_DIAGNOSTICS", "named diagnostic flags, 0 for none"),
    over("OPENCLAW_TZ", "agents.defaults.userTimezone", "IANA time zone for schedules and timestamps"),
    over("OPENCLAW_LOCAL_TZ", "agents.defaults.userTimezone", "the same; OPENCLAW_TZ wins"),
    row("OPENCLAW_LOCAL_LLM", "use a local model server"),
    row("OPENCLAW_ZERO_TRUST", "1 tightens every default; cannot loosen"),
    row("OPENCLAW_AUDIT_LOG", "1 keeps the audit log; cannot switch it off"),
    row("OPENCLAW_PROMPT_FIREWALL", "1 filters untrusted text; cannot switch it off"),
    row("OPENCLAW_PROMPT_INJECTION_DEFENSE", "1 marks and checks untrusted text; cannot switch it off"),
    row("OPENCLAW_SKIP_CHANNELS", "start without channels"),
    row("OPENCLAW_SKIP_CRON", "start without schedules and heartbeats"),
    row("OPENCLAW_SKIP_PROVIDERS", "start without model providers"),
    row("OPENCLAW_ALLOW_MULTI_GATEWAY", "skip the one-gateway-per-configuration check"),
    row("OPENCLAW_ALLOW_INSECURE_PRIVATE_WS", "allow ws:// to private names"),
    row("OPENCLAW_DISABLE_BONJOUR", "1 switches local discovery off"),
    row("OPENCLAW_NO_AUTO_UPDATE", "never apply an update"),
    row("OPENCLAW_OFFLINE", "no helper downloads"),
    row("OPENCLAW_BASH_YIELD_MS", "when a command moves to the background"),
    row("OPENCLAW_BASH_MAX_OUTPUT_CHARS", "output kept of a command"),
    row("OPENCLAW_BASH_JOB_TTL_MS", "how long a finished command is kept"),
    row("OPENCLAW_FALLBACK_SKIP_TTL_MS", "how long a fallback without sign-in is skipped"),
    row("OPENCLAW_SDK_RETRY_MAX_WAIT_SECONDS", "longest wait a provider may ask for"),
    row("OPENCLAW_THEME", "palette of the terminal interface"),
    row("OPENCLAW_LOCALE", "language of the interface"),
];
