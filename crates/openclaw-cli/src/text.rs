//! All copy shown to people, in English and Chinese side by side. Commands,
//! paths, ids and model names stay as they are in both. The messages only the
//! terminal UI shows stand in a table of their own, `text::tui`, of the same form.

pub(crate) mod help;
pub(crate) mod tui;

use openclaw_config::Env;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// English.
    En,
    /// Chinese, simplified.
    Zh,
}

impl Lang {
    /// Chooses by flag, then `OPENCLAW_LANG`, then the locale.
    pub(crate) fn choose(flag: Option<&str>, env: &Env) -> Lang {
        let locale = || ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| env.get(name));
        match flag.or_else(|| env.get("OPENCLAW_LANG")).or_else(locale) {
            Some(name) if name.starts_with("zh") => Lang::Zh,
            Some(_) | None => Lang::En,
        }
    }

    /// Returns the language's tag.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Zh => "zh",
        }
    }
}

/// One message in both languages; `{name}` marks are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copy {
    en: &'static str,
    zh: &'static str,
}

impl Copy {
    pub(crate) const fn new(en: &'static str, zh: &'static str) -> Copy {
        Copy { en, zh }
    }

    /// Returns the message in a language.
    pub(crate) fn in_lang(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Zh => self.zh,
        }
    }
}

/// Fills `{name}` marks in one pass, so that a value holding a mark stays as it is.
pub(crate) fn fill(pattern: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(pattern.len() + 32);
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => filled.push_str(value),
            None => filled.push_str(&format!("{{{name}}}")),
        }
        rest = tail;
    }
    filled.push_str(rest);
    filled
}

/// Declares messages: `NAME = "English", "中文";`. `ALL` lists them for the tests.
macro_rules! copy {
    ($($name:ident = $en:literal, $zh:literal;)*) => {
        $(pub(crate) const $name: $crate::text::Copy = $crate::text::Copy::new($en, $zh);)*
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, $crate::text::Copy)] = &[$((stringify!($name), $name),)*];
    };
}
pub(crate) use copy;

pub(crate) mod runs;

copy! {
    // Common
    AGO = "{span} ago", "{span} 前";
    IN_TIME = "in {span}", "{span} 后";
    JUST_NOW = "just now", "刚刚";
    NEXT = "next", "下一步";
    NONE = "none", "无";
    NOT_CONFIRMED = "nothing was changed: not confirmed", "未确认，没有改动";
    INPUT_NEEDED = "an answer is needed and nobody can be asked; give {flag}", "需要输入，但无法提问；请给出 {flag}";
    INTERRUPTED = "interrupted", "已中断";
    UNKNOWN_COMMAND = "there is no command \"{name}\"", "没有命令 \"{name}\"";
    UNKNOWN_FLAG = "there is no flag \"{name}\" here", "这里没有选项 \"{name}\"";
    CLOSEST = "; closest: {name}", "；最接近：{name}";
    UNKNOWN_COLUMN = "there is no column \"{name}\"; columns: {all}", "没有列 \"{name}\"；可用的列：{all}";
    NO_SUCH = "there is no {what} \"{name}\"", "没有{what} \"{name}\"";
    AMBIGUOUS = "\"{name}\" fits more than one {what}: {all}", "\"{name}\" 对应多个{what}：{all}";
    EMPTY_LIST = "no {what}", "没有{what}";
    NOUN_SESSION = "session", "会话";
    NOUN_SESSIONS = "sessions", "会话";
    NOUN_APPROVAL = "pending approval", "待定审批";
    NOUN_APPROVALS = "pending approvals", "待定审批";
    NOUN_DEVICE = "device", "设备";
    NOUN_DEVICES = "devices", "设备";
    NOUN_MODEL = "model", "模型";
    NOUN_MODELS = "models", "模型";
    NOUN_VARIABLE = "variable", "变量";
    NOUN_VARIABLES = "variables", "变量";

    // Gateway
    GATEWAY_DOWN = "gateway is not running ({cause})", "网关未运行（{cause}）";
    GATEWAY_NOTHING_LISTENS = "nothing listens on {address}", "{address} 无人监听";
    GATEWAY_LAST = "nothing listens on {address}; the last one, pid {pid}, is gone", "{address} 无人监听；上一个网关 pid {pid} 已退出";
    GATEWAY_RUNS = "gateway is already running as pid {pid}", "网关已在运行，pid {pid}";
    GATEWAY_STARTED = "gateway ready on {address} in {span}", "网关就绪：{address}，用时 {span}";
    GATEWAY_STOPPED = "gateway stopped", "网关已停止";
    GATEWAY_STOPPING = "gateway is stopping", "网关正在停止";
    GATEWAY_NOT_READY = "the gateway did not become ready within {span}", "网关在 {span} 内未就绪";
    GATEWAY_DIED = "the gateway ended at once: {cause}", "网关启动后立即退出：{cause}";
    GATEWAY_NOT_STOPPED = "the gateway, pid {pid}, did not stop within {span}", "网关（pid {pid}）在 {span} 内没有停止";
    GATEWAY_UP = "gateway answers at {address}", "网关可达：{address}";
    GATEWAY_NO_CREDENTIAL = "no credential for {address} was found", "没有找到 {address} 的凭据";
    GATEWAY_SAW = "{message}; the credential came from {source}", "{message}；凭据来自 {source}";
    GATEWAY_ADDRESS = "the gateway address cannot be used: {cause}", "网关地址无法使用：{cause}";
    EMBEDDED = "no gateway runs: working inside this command (openclaw gateway run keeps one)", "没有网关在运行：在本命令内工作（openclaw gateway run 可常驻）";
    TOKEN_IN_ARGUMENTS = "a secret on the command line is visible to other users; use {flag}", "命令行里的密钥对其他用户可见；请用 {flag}";
    SERVICE_INSTALLED = "service installed: {path}", "服务已安装：{path}";
    SERVICE_NOT_STARTED = "the service file is written, but {manager} did not start it: {cause}", "服务文件已写入，但 {manager} 未能启动：{cause}";
    SERVICE_REMOVED = "service removed: {path}", "服务已移除：{path}";
    SERVICE_ABSENT = "no service is installed", "没有安装服务";
    SERVICE_UNSUPPORTED = "no service manager is known for {os}", "不支持 {os} 的服务管理器";
    PARAMS_JSON = "the parameters are not a JSON object: {cause}", "参数不是 JSON 对象：{cause}";

    // Status
    WORKING = "working", "工作正常";
    LAST_REPLY = "last activity {ago}", "最近活动 {ago}";
    NOT_READY_MODEL = "not ready: no model is configured; the built-in offline model answers", "未就绪：没有配置模型；由内置离线模型应答";
    HEALTHY = "healthy", "健康";
    UNHEALTHY = "the gateway answers but is not healthy", "网关有应答，但状态不健康";
    WAITING_FOR_YOU = "{count} waiting for you", "{count} 项等你决定";
    RUNNING_COUNT = "{count} running", "{count} 个运行中";
    UP_SINCE = "up {span}", "已运行 {span}";

    // Agent
    MESSAGE_NEEDED = "there is no message; give TEXT, --message, or pipe it in", "没有消息；请给出 TEXT、--message，或用管道输入";
    TEXT_TWICE = "the message is given twice; use either TEXT or --message", "消息给了两次；TEXT 与 --message 只用一个";
    ASKING = "working", "工作中";
    AWAITING_MODEL = "the model", "模型";
    STOPPING = "stopping after this step, Ctrl+C again to abandon", "本步完成后停止，再按 Ctrl+C 放弃等待";
    RUN_FAILED = "the run failed: {cause}", "运行失败：{cause}";
    RUN_STOPPED = "the run was stopped", "运行已停止";
    RUN_TIMED_OUT = "no answer within {span}", "{span} 内没有答复";
    RUN_UNKNOWN = "the connection was lost; the run may go on", "连接已断开；运行可能仍在继续";
    APPROVAL_WAITS = "approval {id} waits for a person: {what}", "审批 {id} 等待人来决定：{what}";
    APPROVAL_ASK = "Allow? [o]nce, [a]lways, [d]eny: ", "是否允许？[o] 允许一次，[a] 始终允许，[d] 拒绝：";
    APPROVAL_ASK_ONCE = "Allow? [o]nce, [d]eny: ", "是否允许？[o] 允许一次，[d] 拒绝：";
    ANSWERED_ELSEWHERE = "(answered elsewhere {by})", "（已在别处决定 {by}）";
    OUTCOME_WAITS = "question {id} waits for a person: {what}", "问题 {id} 等待人来回答：{what}";
    OUTCOME_ASKED = "{agent} asks whether this happened", "{agent} 询问以下调用是否已经发生";
    OUTCOME_PROMPT = "Which one? {choices}: ", "请选择 {choices}：";
    OUTCOME_LITERAL = "the call and the question, in full, lines: {count}", "调用与问题的全文，行数：{count}";
    OUTCOME_ANSWERED = "answered: {answer}", "已回答：{answer}";
    OUTCOME_OPTIONS = "\"{given}\" is no answer to it; answers: {all}", "\"{given}\" 不是它的答案；可选：{all}";
    NOT_AN_APPROVAL = "{id} is a question, not an approval", "{id} 是问题，不是审批";
    ATTENTION = "attention", "需要处理";
    ATTENTION_COUNT = "{count} need attention", "{count} 项需要处理";
    APPROVAL_WANTS = "{agent} wants to run this", "{agent} 想执行以下内容";
    APPROVAL_WHY = "why asked", "询问原因";
    APPROVAL_FOLDER = "in", "目录";
    APPROVAL_EXPIRES = "expires", "到期";
    APPROVAL_LITERAL = "what would run, in full, lines: {count}", "将要执行的全文，行数：{count}";
    ALLOW_ONCE_ASK = "Allow this once? [y/N] ", "允许这一次？[y/N] ";
    ALLOW_ALWAYS_ASK = "Allow this now and from now on? [y/N] ", "现在允许，并且今后也允许？[y/N] ";
    ALLOWED_ONCE = "allowed once", "已允许一次";
    ALLOWED_ALWAYS = "allowed always", "已始终允许";
    DENIED = "denied", "已拒绝";
    OK = "ok", "完成";
    FAILED = "failed", "失败";
    MAY_HAVE_RUN = "may have run", "可能已执行";
    APPROVAL_ONCE_TTY = "an approval is given at a terminal, after its text was shown", "审批须在终端里看过全文后作出";
    MESSAGES_AND_TOKENS = "{count} messages shown, {tokens} tokens", "显示 {count} 条消息，{tokens} 令牌";
    SESSIONS_ONE = "1 session", "1 个会话";
    SESSIONS_COUNT = "{count} sessions", "{count} 个会话";
    TOKENS = "tokens", "令牌";
    TOOLS_COUNT = "{count} tools", "{count} 个工具";
    TOOLS_ONE = "1 tool", "1 个工具";
    ASKS_COUNT = "{count} asks", "{count} 次询问";
    ASKS_ONE = "1 ask", "1 次询问";
    PRICE_UNKNOWN = "price unknown", "价格未知";

    // Sessions, models, vars, devices
    SESSION_RESET = "conversation of {key} starts over", "{key} 的对话已重新开始";
    SESSION_ARCHIVED = "{key} archived", "{key} 已归档";
    SESSION_REMOVED = "{key} removed", "{key} 已删除";
    SESSION_REMOVE_ASK = "Remove {key} and its transcript?", "删除 {key} 及其记录？";
    SESSION_RESET_ASK = "Start the conversation of {key} over?", "重新开始 {key} 的对话？";
    MODEL_USED = "model is now {model}", "模型已设为 {model}";
    MODEL_FORM = "\"{model}\" is not PROVIDER/MODEL", "\"{model}\" 不是 PROVIDER/MODEL 的形式";
    MODEL_ANSWERED = "{model} answered in {span}", "{model} 在 {span} 内应答";
    MODEL_FAILED = "{model} did not answer: {cause}", "{model} 没有应答：{cause}";
    VARIABLE_SET = "{name} set", "{name} 已设置";
    VARIABLE_REMOVED = "{name} removed", "{name} 已删除";
    DEVICE_APPROVED = "{id} approved", "{id} 已批准";
    DEVICE_REVOKED = "{id} removed; its token no longer works", "{id} 已移除；其令牌失效";
    DEVICE_REVOKE_ASK = "Remove device {id}?", "移除设备 {id}？";
    DEVICE_WAITS = "waits", "等待";
    DEVICE_PAIRED = "paired", "已配对";

    // Config
    CONFIG_SET = "{path} set", "{path} 已设置";
    CONFIG_REMOVED = "{path} removed", "{path} 已删除";
    CONFIG_SAME = "{path} is already so; nothing was written", "{path} 已是如此，没有写入";
    CONFIG_NO_SETTING = "there is no setting \"{path}\"", "没有设置项 \"{path}\"";
    CONFIG_NOT_SET = "{path} is not set", "{path} 没有设置";
    CONFIG_VALID = "valid: {count} settings, {warnings} warnings", "有效：{count} 项设置，{warnings} 个警告";
    CONFIG_INVALID = "{count} problems in the configuration", "配置有 {count} 个问题";
    CONFIG_ABSENT = "no configuration file yet; defaults apply", "还没有配置文件；使用默认值";
    CONFIG_RESTART = "takes effect after: openclaw gateway restart", "重启后生效：openclaw gateway restart";
    CONFIG_NO_DIFF = "no differences from the defaults", "与默认值没有差别";
    CONFIG_VALUE_NEEDED = "there is no value; give VALUE, or - to read it from standard input", "没有值；请给出 VALUE，或用 - 从标准输入读取";
    CONFIG_SECRET_ARGUMENT = "{path} is a secret: it is not taken from the command line, where other users can see it", "{path} 是密钥：不从命令行读取，其他用户能看到命令行";
    HIDDEN = "(hidden)", "（已隐藏）";

    // Doctor
    DOCTOR_CHECKS = "{count} checks, {span}", "{count} 项检查，{span}";
    DOCTOR_FIXED = "fixed: {what}", "已修复：{what}";

    // Onboarding
    ONBOARD_HELLO = "OpenClaw {version}. An agent with tools on this machine. It asks before it runs a command.", "OpenClaw {version}。本机上带工具的智能体。执行命令前会先询问。";
    ONBOARD_LATER = "Change later: openclaw config set tools.exec.mode", "以后可改：openclaw config set tools.exec.mode";
    ONBOARD_Q1 = "1 of 3  Model", "1 / 3  模型";
    ONBOARD_Q2 = "2 of 3  Folder it may work in", "2 / 3  允许它工作的文件夹";
    ONBOARD_Q3 = "3 of 3  Keep it running", "3 / 3  是否常驻";
    ONBOARD_FOUND = "found", "已发现";
    ONBOARD_OTHER = "other OpenAI-style URL", "其他 OpenAI 兼容地址";
    ONBOARD_OFFLINE = "look around with the built-in offline model (not ready for real work)", "先用内置离线模型看看（不能做正式工作）";
    ONBOARD_CHOOSE = "Choose [1]: ", "请选择 [1]：";
    ONBOARD_KEY = "key for {name} (hidden): ", "{name} 的密钥（不显示）：";
    ONBOARD_KEY_ENV = "key for {name} (hidden), or Enter to take {env}: ", "{name} 的密钥（不显示），或回车使用 {env}：";
    ONBOARD_URL = "base URL, for example https://host/v1: ", "接口地址，例如 https://host/v1：";
    ONBOARD_MODEL_ID = "model name at that server: ", "该服务器上的模型名：";
    ONBOARD_KEPT = "kept from before: {what}", "沿用之前的选择：{what}";
    ONBOARD_TRIED_AGAIN = "{model} has not answered yet; trying it again", "{model} 还没有应答；再试一次";
    ONBOARD_KEY_REJECTED = "key rejected by {name}: {cause}. {tail}", "{name} 拒绝了密钥：{cause}。{tail}";
    ONBOARD_KEY_TAIL = "It ends in {tail}.", "结尾为 {tail}。";
    ONBOARD_MODEL_FAILED = "{model} did not answer: {cause}", "{model} 没有应答：{cause}";
    ONBOARD_RETRY = "[r] try again  [o] other model  [s] finish later: ", "[r] 重试  [o] 换模型  [s] 以后再说：";
    ONBOARD_FOLDER = "Folder [{default}]: ", "文件夹 [{default}]：";
    ONBOARD_FOLDER_BAD = "{path} cannot be written: {cause}", "{path} 无法写入：{cause}";
    ONBOARD_FOLDER_OK = "writable: {path}", "可写：{path}";
    ONBOARD_SERVICE_OFF = "only while I use it", "只在使用时运行";
    ONBOARD_SERVICE_ON = "as a background service", "作为后台服务";
    ONBOARD_NOT_READY = "not ready: no model has answered yet", "未就绪：还没有模型应答";
    ONBOARD_LATER_KEPT = "kept what was given; go on with: openclaw onboard", "已保留输入；继续：openclaw onboard";
    ONBOARD_READY = "ready: {model} replied {span} from start", "就绪：{model} 已回复，用时 {span}";
    ONBOARD_DEMO = "not ready: the offline model replied; it follows fixed rules and is not a language model", "未就绪：离线模型已回复；它按固定规则工作，不是语言模型";
    ONBOARD_UNKNOWN_PROVIDER = "provider \"{name}\" is not known here; give --base-url for an OpenAI-style server", "不认识提供方 \"{name}\"；OpenAI 兼容服务请给出 --base-url";

    // Chat
    CHAT_HINT = "Type a message; /help lists commands, Ctrl+D leaves.", "输入消息；/help 查看命令，Ctrl+D 离开。";
    CHAT_NEEDS_TERMINAL = "chat needs a terminal", "chat 需要终端";
}

#[cfg(test)]
mod tests {
    use openclaw_config::Env;

    use super::{Copy, Lang, fill};

    /// Every message of all tables.
    fn all() -> impl Iterator<Item = &'static (&'static str, Copy)> {
        super::ALL.iter().chain(super::tui::ALL).chain(super::runs::ALL)
    }

    fn marks(text: &str) -> Vec<&str> {
        let mut marks: Vec<&str> =
            text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect();
        marks.sort_unstable();
        marks
    }

    #[test]
    fn both_languages_have_every_message_with_the_same_marks() {
        for (name, copy) in all() {
            assert!(!copy.en.is_empty() && !copy.zh.is_empty(), "{name}");
            assert_eq!(marks(copy.en), marks(copy.zh), "{name}");
        }
    }

    #[test]
    fn copy_keeps_its_manners() {
        for (name, copy) in all() {
            assert!(!copy.zh.contains(['！', '您']), "{name}");
            let lower = copy.en.to_ascii_lowercase();
            assert!(!copy.en.contains('!'), "{name}");
            assert!(!["please", "oops", "successfully"].iter().any(|word| lower.contains(word)), "{name}");
        }
    }

    #[test]
    fn no_message_is_written_twice() {
        for (name, copy) in super::tui::ALL {
            let twin = super::ALL.iter().find(|(_, other)| other == copy);
            assert_eq!(twin, None, "{name}");
        }
    }

    #[test]
    fn marks_are_filled_once() {
        assert_eq!(fill("{a} and {b}, {c}", &[("a", "{b}"), ("b", "2")]), "{b} and 2, {c}");
        assert_eq!(fill("open { brace", &[]), "open { brace");
    }

    #[test]
    fn the_language_is_the_flag_then_ours_then_the_locale() {
        let env = Env::from_pairs([("LANG", "zh_CN.UTF-8")]);
        assert_eq!(Lang::choose(None, &env), Lang::Zh);
        assert_eq!(Lang::choose(Some("en"), &env), Lang::En);
        let env = Env::from_pairs([("OPENCLAW_LANG", "en"), ("LANG", "zh_CN.UTF-8")]);
        assert_eq!(Lang::choose(None, &env), Lang::En);
        assert_eq!(Lang::choose(None, &Env::from_pairs([("LANG", "C")])), Lang::En);
    }
}
