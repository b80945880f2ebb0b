//! The environment a program gets.
//!
//! From this process only variables of a short list are passed on, so no key,
//! token or socket leaks. What a caller adds is refused when it would make a
//! program load or run something else than it says (T-29): such a variable does
//! not show in the script a person approves.

use std::collections::BTreeMap;

use openclaw_domain::ports::{IDEMPOTENCY_KEY, ProcessError};

/// Variables passed on; a trailing `*` matches any rest.
const PASSED: &[&str] =
    &["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TERM", "COLORTERM", "TMPDIR", "TZ"];

/// Variables a caller may not add; a trailing `*` matches any rest. Compared in
/// upper case: some programs read both cases.
const REFUSED: &[&str] = &[
    // The system's loaders.
    "LD_*",
    "DYLD_*",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "MALLOC_*",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "LOCALDOMAIN",
    "GETCONF_DIR",
    "TZDIR",
    "QT_PLUGIN_PATH",
    "GTK_MODULES",
    "GTK_PATH",
    "GIO_*",
    // Where programs are found, and who the user is.
    "PATH",
    "HOME",
    "SHELL",
    "TMPDIR",
    "PWD",
    "OLDPWD",
    "XDG_*",
    "OPENCLAW_*",
    // Shells.
    "BASH_ENV",
    "BASH_FUNC_*",
    "BASHOPTS",
    "BASH_XTRACEFD",
    "BASH_LOADABLES_PATH",
    "ENV",
    "SHELLOPTS",
    "PS4",
    "IFS",
    "CDPATH",
    "PROMPT_COMMAND",
    "ZDOTDIR",
    "FPATH",
    "GLOBIGNORE",
    "INPUTRC",
    // Interpreters and runtimes.
    "PYTHON*",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_REPL_EXTERNAL_MODULE",
    "NODE_EXTRA_CA_CERTS",
    "NODE_TLS_*",
    "NPM_CONFIG_*",
    "PERL*",
    "RUBYOPT",
    "RUBYLIB",
    "RUBYSHELL",
    "GEM_HOME",
    "GEM_PATH",
    "BUNDLE_*",
    "LUA_*",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "JAVA_TOOL_OPTIONS",
    "JAVA_OPTS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "JAVA_HOME",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
    "ANT_OPTS",
    "SBT_OPTS",
    "KOTLIN_OPTS",
    "SCALA_OPTS",
    "DOTNET_STARTUP_HOOKS",
    "DOTNET_ADDITIONAL_DEPS",
    "CORECLR_*",
    "COR_*",
    "COMPLUS_*",
    "MONO_*",
    "DENO_*",
    "BUN_*",
    "ERL_*",
    "ELIXIR_*",
    "R_PROFILE*",
    "R_ENVIRON*",
    "R_LIBS*",
    "JULIA_*",
    "GUILE_*",
    "TCLLIBPATH",
    "EMACSLOADPATH",
    "VIMINIT",
    "EXINIT",
    "LESSOPEN",
    "LESSCLOSE",
    "COMPOSER_*",
    "OPENSSL_*",
    "SSLKEYLOGFILE",
    "SSL_CERT_*",
    "CURL_HOME",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "WGETRC",
    "PIP_*",
    "UV_*",
    "VIRTUAL_ENV",
    "CONDA_*",
    "YARN_*",
    "PNPM_*",
    "COREPACK_*",
    // Compilers and build tools.
    "CARGO*",
    "RUSTUP_*",
    "RUSTC*",
    "RUSTDOC*",
    "RUSTFLAGS",
    "GOFLAGS",
    "GOPATH",
    "GOROOT",
    "GOENV",
    "GOPROXY",
    "GOTOOL*",
    "CGO_*",
    "CC",
    "CXX",
    "CPP",
    "LD",
    "AR",
    "AS",
    "NM",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "MAKEFLAGS",
    "MAKEFILES",
    "GNUMAKEFLAGS",
    "CMAKE_*",
    "COMPILER_PATH",
    "LIBRARY_PATH",
    "CPATH",
    "GCC_EXEC_PREFIX",
    "CCACHE_*",
    "PKG_CONFIG*",
    "M4PATH",
    "AUTOM4TE",
    "TERMINFO*",
    "TERMCAP",
    "MAGIC",
    "MANPATH",
    "MANPAGER",
    // Programs that other programs start.
    "GIT_*",
    "HG*",
    "SVN_*",
    "CVS_RSH",
    "SSH_*",
    "GPG_*",
    "GNUPGHOME",
    "SUDO_*",
    "PAGER",
    "EDITOR",
    "VISUAL",
    "BROWSER",
    "RSYNC_*",
    "TAR_OPTIONS",
    "GZIP",
    "BZIP*",
    "XZ_*",
    "ZSTD_*",
    "ZIPOPT",
    "UNZIP",
    "GREP_OPTIONS",
    "DOCKER_*",
    "KUBECONFIG",
    "KUBE_*",
    "HELM_*",
    "TF_*",
    "TERRAFORM_*",
    "ANSIBLE_*",
    "AWS_*",
    "GOOGLE_*",
    "CLOUDSDK_*",
    "AZURE_*",
    "DBUS_*",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "MAIL",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "PGSYSCONFDIR",
    "MYSQL_*",
    "SQLITE_*",
    // Where traffic goes.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
];

/// Most bytes of variables a caller may add.
const ADDED_BYTES_MAX: usize = 64 * 1024;

/// Makes the environment of a program.
pub(super) fn clean(
    ours: &[(String, String)],
    added: &[(String, String)],
) -> Result<Vec<(String, String)>, ProcessError> {
    let mut environment: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in ours {
        if is_in(PASSED, name) && !value.contains('\0') {
            environment.insert(name, value);
        }
    }
    environment.entry("PATH").or_insert("/usr/local/bin:/usr/bin:/bin");
    let mut bytes = 0;
    for (name, value) in added {
        check(name, value)?;
        bytes += name.len() + value.len();
        environment.insert(name, value);
    }
    if bytes > ADDED_BYTES_MAX {
        return Err(ProcessError::Io(format!("its variables are larger than {ADDED_BYTES_MAX} bytes together")));
    }
    // Scripts can tell that an agent runs them.
    environment.insert("OPENCLAW_SHELL", "exec");
    Ok(environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn check(name: &str, value: &str) -> Result<(), ProcessError> {
    let refuse = |why: &str| Err(ProcessError::Io(format!("the variable {} {why}", name.escape_debug())));
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return refuse("is not a name made of letters, digits and _");
    }
    // The tool sets the key itself, after whatever its caller asked for.
    if name != IDEMPOTENCY_KEY && is_in(REFUSED, &name.to_ascii_uppercase()) {
        return refuse("may not be set from outside; set it in the script if it is meant");
    }
    if value.contains('\0') {
        return refuse("holds a NUL character");
    }
    Ok(())
}

fn is_in(list: &[&str], name: &str) -> bool {
    list.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => *pattern == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_listed_variables_are_passed_on() {
        let ours = owned(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("HOME", "/home/u"),
            ("OPENAI_API_KEY", "k"),
            ("SSH_AUTH_SOCK", "/s"),
            ("LD_PRELOAD", "x.so"),
            ("OPENCLAW_GATEWAY_TOKEN", "t"),
            ("PATHX", "1"),
        ]);
        let expected = owned(&[("HOME", "/home/u"), ("LC_ALL", "C"), ("OPENCLAW_SHELL", "exec"), ("PATH", "/bin")]);
        assert_eq!(clean(&ours, &[]).unwrap(), expected);
    }

    #[test]
    fn no_known_dangerous_variable_is_passed_on() {
        let dangerous: Vec<(String, String)> = REFUSED
            .iter()
            .filter(|pattern| !is_in(PASSED, pattern))
            .flat_map(|pattern| [pattern.replace('*', ""), pattern.replace('*', "X")])
            .map(|name| (name, "canary".to_owned()))
            .collect();
        assert!(dangerous.len() > 300, "{}", dangerous.len());
        let made = clean(&dangerous, &[]).unwrap();
        assert!(made.iter().all(|(_, value)| value != "canary"), "{made:?}");
    }

    #[test]
    fn harmless_variables_may_be_added() {
        let made =
            clean(&[], &owned(&[("FOO", "1"), ("CI", "true"), ("LANG", "C.UTF-8"), ("RUST_LOG", "debug")])).unwrap();
        assert!(made.contains(&("FOO".to_owned(), "1".to_owned())));
        assert!(made.contains(&("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())));
    }

    #[test]
    fn variables_that_load_code_are_refused_in_any_case() {
        for pattern in REFUSED {
            let name = pattern.replace('*', "X");
            for name in [name.clone(), name.to_ascii_lowercase()] {
                assert!(clean(&[], &owned(&[(&name, "x")])).is_err(), "{name}");
            }
        }
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "BASH_ENV",
            "ENV",
            "GIT_SSH_COMMAND",
            "GIT_EXTERNAL_DIFF",
            "PERL5OPT",
            "RUBYOPT",
            "BASH_FUNC_ls%%",
            "RUSTC_WRAPPER",
            "CARGO_HOME",
            "",
            "A=B",
            "1A",
            "A B",
            "A\0",
        ] {
            assert!(clean(&[], &owned(&[(name, "x")])).is_err(), "{name}");
        }
        assert!(clean(&[], &owned(&[("FOO", "a\0b")])).is_err());
    }

    #[test]
    fn the_size_of_added_variables_is_limited() {
        let fits = "x".repeat(ADDED_BYTES_MAX - 1);
        assert!(clean(&[], &owned(&[("A", &fits)])).is_ok());
        assert!(clean(&[], &owned(&[("AB", &fits)])).is_err());
    }
}
