//! Copy of the commands that look back: `runs`, `replay`, `support`.

copy! {
    NOUN_RUN = "run", "运行";
    NOUN_RUNS = "runs", "运行";
    RUN_CANCELLED = "run {id} is asked to stop", "已请求停止运行 {id}";
    RUN_WAS_ENDED = "run {id} had ended already", "运行 {id} 早已结束";
    RUN_WORKS = "run {id} is working ({status})", "运行 {id} 正在工作（{status}）";
    RUN_SNAPSHOT = "run {id} is kept as it stands", "已保存运行 {id} 的当前状态";
    RUN_DUE = "run {id} is at work; it is kept at its next step", "运行 {id} 正在工作；将在下一步保存";
    RUN_FILES_KEPT = "{files} files of its instance are kept, {bytes}", "已保存其实例的 {files} 个文件，共 {bytes}";
    RUN_FILES_NOT_KEPT = "{count} not kept: {why}", "{count} 个未保存：{why}";
    RUN_SETTLED = "call {call} is settled: {answer}", "调用 {call} 已有定论：{answer}";
    RUN_OWNERS = "{count} owners: the program stopped in the middle and another took the run up", "经历 {count} 个所有者：程序中途停止，由后来者接手";
    RUN_CALL_UNKNOWN = "{tool} {call} may have happened: the program stopped while it ran", "{tool} {call} 可能已经发生：程序在其运行时停止";
    RUN_WAITS_FOR = "waits for {kind} {id} about {name}", "等待 {kind} {id}，关于 {name}";
    RUN_TAKEN_UP = "run {id} had nobody working on it and is taken up now ({status})", "运行 {id} 无人处理，现已接手（{status}）";
    RUN_QUEUED = "run {id} waits for its turn and begins by itself", "运行 {id} 正在排队，会自行开始";
    NOUN_DELIVERY = "delivery", "投递";
    NOUN_DELIVERIES = "deliveries", "投递";
    DELIVERY_RETRY_ASK = "Delivery {id} to {channel} {to} may have arrived; sending it again may show it twice. Send it again?", "投递 {id}（{channel} {to}）可能已送达；再次发送可能重复显示。再次发送？";
    DELIVERY_RETRIED = "delivery {id} is sent again", "投递 {id} 将再次发送";
    DELIVERY_DISCARDED = "delivery {id} is settled and will not be sent", "投递 {id} 已了结，不再发送";
    REPLAY_SAME = "identical: {events} events, {rebuilt} rebuilt and equal in every byte, {inputs} facts from outside; {entries} transcript entries", "完全一致：{events} 个事件，其中 {rebuilt} 个重建后逐字节相同，{inputs} 个来自外部；{entries} 条记录";
    REPLAY_DIFFERS = "differs at event {seq}: {what}", "在事件 {seq} 处不同：{what}";
    REPLAY_DIFFERS_WHOLE = "differs: {what}", "不同：{what}";
    REPLAY_EXPECTED = "the engine asks for", "引擎要求";
    REPLAY_FOUND = "recorded is", "记录的是";
    REPLAY_NOTHING_CHANGED = "--from changes nothing by itself; give --model, --edit or --live to try another way", "仅有 --from 不会改变什么；用 --model、--edit 或 --live 试另一种走法";
    FORK_LIVE_ASK = "With --live the tools of the new run really work. Go on?", "使用 --live 时，新运行的工具会真正执行。继续？";
    FORK_BEGAN = "run {id} began before step {step} of run {of}", "运行 {id} 从运行 {of} 的第 {step} 步之前开始";
    FORK_WAITING = "waiting for the new run", "正在等待新运行";
    FORK_AWAITED = "the model", "模型";
    FORK_NOT_ENDED = "run {id} has not ended within {span}", "运行 {id} 在 {span} 内没有结束";
    EDIT_BAD = "{path} cannot be used as an edit: {cause}", "{path} 不能作为修改使用：{cause}";
    DIFF_SAME = "no difference in {count} steps", "{count} 步没有差别";
    DIFF_FIRST = "first difference at step {step}", "第一处差别在第 {step} 步";
    BUNDLE_WRITTEN = "wrote {path}: {count} files, {bytes}, secrets removed", "已写入 {path}：{count} 个文件，{bytes}，密钥已移除";
    BUNDLE_WITHOUT = "not in it: {what}", "未包含：{what}";
    BUNDLE_EXISTS = "{path} exists already", "{path} 已存在";
}
