//! Messages that only the terminal UI shows; those it shares with the commands are
//! taken from their table.

pub(crate) use crate::text::{
    APPROVAL_FOLDER as FOLDER, APPROVAL_WHY as WHY, ASKING as WORKING, OK, OUTCOME_ASKED, RUN_FAILED,
};
pub(crate) use crate::text::{Copy, copy, fill};

copy! {
    // Conversation
    YOU = "you", "你";
    ASSISTANT = "assistant", "智能体";
    CONNECTED = "connected to gateway {address}; /help lists commands", "已连接网关 {address}；/help 查看命令";
    CONNECTED_HERE = "ready; everything runs inside this command and ends with it; /help lists commands", "已就绪；全部在本命令内运行，退出即结束；/help 查看命令";
    CONVERSATION = "conversation {key}", "会话 {key}";
    EARLIER = "earlier messages are kept: openclaw sessions show {key}", "更早的消息仍保留：openclaw sessions show {key}";
    STOPPED = "stopped by {who}", "已被 {who} 停止";
    REPLACED = "the answer above was withdrawn; what stands instead:", "上面的回答已撤回，以下面的为准：";
    NOT_SENT = "not sent, it is back on the line: {cause}", "未发送，内容已放回输入行：{cause}";
    FAILED_TO = "{what} failed: {cause}", "{what} 失败：{cause}";
    // Tools
    RUNNING = "running", "运行中";
    NO_CARD = "no tool has run in this conversation yet", "本会话还没有运行过工具";
    ARGUMENTS = "arguments", "参数";
    OUTPUT_TAIL = "output, last {shown} of {all} lines", "输出，共 {all} 行，末 {shown} 行";
    THINKING = "thinking", "思考中";
    THOUGHT = "thought", "思考内容";
    NO_THOUGHT = "no thinking was shown in this conversation yet", "本会话还没有思考内容";
    PLAN = "plan", "计划";
    // Approvals
    NEEDS_YOU = "NEEDS YOU", "等你决定";
    LEFT = "{span} left", "剩余 {span}";
    WANTS = "{agent} wants to run {tool}", "{agent} 想执行 {tool}";
    RULE = "rule", "规则";
    KEYS_ONCE = "[a] allow this once", "[a] 允许一次";
    KEYS_ALWAYS = "[w] always allow exactly this", "[w] 始终允许完全相同的调用";
    KEYS_DENY = "[d] deny   [n] deny with a note", "[d] 拒绝   [n] 附言拒绝";
    KEYS_NOT_ARMED = "keys work in a moment", "按键稍后生效";
    KEYS_TYPED = "Tab answers this; your text is kept", "按 Tab 来决定，输入内容会保留";
    KEYS_NOTE = "type why, Enter denies, Esc goes back", "输入理由，Enter 拒绝，Esc 返回";
    NOT_READ = "line {last} of {all}: [b] reads on", "第 {last} 行，共 {all} 行：按 [b] 继续";
    READ = "all {all} lines shown", "已显示全部 {all} 行";
    SENDING = "sending your answer", "正在发送你的决定";
    ALLOWED_ONCE = "allowed once by {who}", "{who} 允许了一次";
    ALLOWED_ALWAYS = "allowed always by {who}", "{who} 设为始终允许";
    DENIED_BY = "denied by {who}", "{who} 已拒绝";
    ANSWERED_BY = "{answer}, says {who}", "{who} 回答：{answer}";
    EXPIRED = "expired, nothing was done", "已到期，没有执行";
    MORE_ASKS = "{count} more wait after this one", "之后还有 {count} 项等待";
    // Input
    HINT = "type a message, / commands, Ctrl+P palette", "输入消息，/ 命令，Ctrl+P 面板";
    QUEUED = "queued", "排队";
    AFTER_TURN = "after this turn", "本轮之后";
    STEER = "steer", "引导";
    NEXT_TOOL = "at next tool", "下个工具处";
    QUEUE_FULL = "the queue holds {count} messages; wait for one to be sent", "队列最多 {count} 条，请等一条发出";
    QUEUE_KEPT = "the queue is kept; Enter on an empty line sends it", "队列保留；空行按 Enter 发送";
    DELIVERED = "already delivered", "已送达";
    STOPPING = "stopping", "正在停止";
    NOTHING_RUNS = "nothing runs", "没有正在运行的任务";
    LEAVE = "Ctrl+C again leaves; the run goes on", "再按 Ctrl+C 退出；运行会继续";
    LEAVE_ENDS = "Ctrl+C again leaves and ends the run", "再按 Ctrl+C 退出并结束运行";
    OFFLINE_KEPT = "offline; your text is kept", "已离线，输入内容会保留";
    UNKNOWN_COMMAND = "there is no command /{name}; /help lists them", "没有命令 /{name}；/help 查看全部";
    NO_EDITOR = "no editor is named: set VISUAL or EDITOR", "没有指定编辑器：请设置 VISUAL 或 EDITOR";
    NOT_EDITED = "not edited, the line is as it was: {cause}", "未编辑，输入行保持原样：{cause}";
    NO_MATCH = "no match", "没有匹配";
    // Status
    LIVE = "live", "在线";
    BEHIND = "behind {span}", "落后 {span}";
    OFFLINE = "offline {span}, retry in {retry}, input is kept", "离线 {span}，{retry} 后重试，输入会保留";
    OFFLINE_SHORT = "offline {span}", "离线 {span}";
    // Commands
    C_HELP = "list commands and keys", "列出命令和按键";
    C_NEW = "begin another conversation", "开始另一个会话";
    C_RESET = "start this conversation over", "重新开始本会话";
    C_SESSIONS = "go on with another conversation", "切换会话";
    C_MODEL = "choose the model", "选择模型";
    C_THINK = "how hard to think", "思考强度";
    C_COMPACT = "summarise older messages for the model", "为模型总结旧消息";
    C_ABORT = "stop the run", "停止运行";
    C_APPROVE = "ask the gateway for open approvals", "查询待定审批";
    C_STATUS = "is it working", "运行状态";
    C_TOOL = "open the last tool call", "展开最近的工具调用";
    C_THOUGHT = "show the last thinking", "显示最近的思考";
    C_EXIT = "leave", "退出";
    DONE_MODEL = "model: {name}", "模型：{name}";
    DONE_THINK = "thinking: {name}", "思考强度：{name}";
    DONE_RESET = "started over", "已重新开始";
    COMPACTING = "older messages are being summarised for the model", "正在为模型总结旧消息";
    COMPACTED = "the model sees {count} older messages as a summary: {before} to {after} tokens; /compact undo takes it back", "模型将 {count} 条旧消息看作摘要：{before} 到 {after} 令牌；/compact undo 可撤销";
    COMPACTED_SOME = "the model sees {count} older messages as a summary; /compact undo takes it back", "模型将 {count} 条旧消息看作摘要；/compact undo 可撤销";
    NOT_COMPACTED = "nothing was summarised: {cause}", "没有总结：{cause}";
    COMPACT_DUE = "a run works; older messages are summarised before its next model call", "运行正在进行；下次调用模型前会总结旧消息";
    UNCOMPACTED = "the newest summary is taken back; the model sees those messages again", "已撤销最近的摘要；模型重新看到那些消息";
    NO_SUMMARY = "no summary is in force here", "这里没有生效的摘要";
    COMPACT_FORMS = "/compact {name} is not a form; it is /compact or /compact undo", "/compact {name} 不可用；请用 /compact 或 /compact undo";
    NO_APPROVALS = "no approval waits here", "这里没有待定审批";
    STATUS_OK = "working: gateway {version} answered in {span}", "正常：网关 {version}，{span} 内响应";
    KEYS_HELP = "Enter sends, or queues while running; Alt+Enter steers; Esc interrupts; Ctrl+J new line; Ctrl+R history; Ctrl+G editor; Ctrl+O last tool; Alt+T thinking; Ctrl+C twice leaves", "Enter 发送，运行中则排队；Alt+Enter 引导；Esc 中断；Ctrl+J 换行；Ctrl+R 历史；Ctrl+G 编辑器；Ctrl+O 最近工具；Alt+T 思考；Ctrl+C 两次退出";
    G_RUN = "Run", "运行";
    G_VIEW = "View", "查看";
    G_MODEL = "Model", "模型";
    G_SAFETY = "Safety", "安全";
    G_GO = "Go", "前往";
}
