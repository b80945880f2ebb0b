//! The methods: one file per family, one row each.

use openclaw_protocol::methods as wire;

use crate::dispatch::Row;

mod agent;
mod approvals;
mod attachments;
mod bindings;
mod catalog;
mod chat;
mod config;
mod deliveries;
mod devices;
mod history;
mod instances;
mod listing;
mod questions;
mod replay;
mod runs;
mod sessions;
mod streams;
mod system;
mod target;
mod upkeep;
mod vars;
mod waiting;

macro_rules! rows {
    ($($method:path => $handler:path,)*) => {
        &[$(Row { method: &$method, run: |cx, params| Box::pin($handler(cx, params)) },)*]
    };
}

/// Every callable method; `features.methods` lists exactly these.
pub(crate) static TABLE: &[Row] = rows! {
    wire::system::HEALTH => system::health,
    wire::system::STATUS => system::status,
    wire::system::SYSTEM_PRESENCE => system::presence,
    wire::system::SYSTEM_INFO => system::info,
    wire::system::SYSTEM_EVENT => system::event,
    wire::system::LAST_HEARTBEAT => system::last_heartbeat,
    wire::system::WAKE => system::wake,
    wire::system::LOGS_TAIL => system::logs_tail,
    wire::system::METHODS_LIST => system::methods_list,
    wire::config::CONFIG_GET => config::get,
    wire::config::CONFIG_SET => config::set,
    wire::config::CONFIG_APPLY => config::apply,
    wire::config::CONFIG_PATCH => config::patch,
    wire::config::CONFIG_SCHEMA => config::schema,
    wire::config::CONFIG_SCHEMA_LOOKUP => config::schema_lookup,
    wire::agent::AGENT => agent::agent,
    wire::agent::AGENT_WAIT => agent::wait,
    wire::runs::AGENT_SUBSCRIBE => streams::subscribe,
    wire::runs::AGENT_UNSUBSCRIBE => streams::unsubscribe,
    wire::runs::RUNS_LIST => runs::list,
    wire::runs::RUNS_GET => runs::get,
    wire::runs::RUNS_EVENTS => runs::events,
    wire::runs::RUNS_RESUME => runs::resume,
    wire::runs::RUNS_CANCEL => runs::cancel,
    wire::runs::RUNS_UNSETTLED => runs::unsettled,
    wire::runs::RUNS_SETTLE => runs::settle,
    wire::runs::DELIVERIES_LIST => deliveries::list,
    wire::runs::DELIVERIES_RETRY => deliveries::retry,
    wire::runs::DELIVERIES_GET => deliveries::get,
    wire::runs::DELIVERIES_DISCARD => deliveries::discard,
    wire::agent::AGENT_IDENTITY_GET => catalog::agent_identity,
    wire::chat::CHAT_SEND => chat::send,
    wire::chat::CHAT_ABORT => chat::abort,
    wire::chat::CHAT_INJECT => chat::inject,
    wire::chat::CHAT_HISTORY => history::history,
    wire::chat::CHAT_STARTUP => history::history,
    wire::chat::CHAT_METADATA => chat::metadata,
    wire::sessions::SESSIONS_LIST => listing::list,
    wire::sessions::SESSIONS_SUBSCRIBE => listing::subscribe,
    wire::sessions::SESSIONS_UNSUBSCRIBE => listing::unsubscribe,
    wire::sessions::SESSIONS_MESSAGES_SUBSCRIBE => listing::messages_subscribe,
    wire::sessions::SESSIONS_MESSAGES_UNSUBSCRIBE => listing::messages_unsubscribe,
    wire::sessions::SESSIONS_DESCRIBE => listing::describe,
    wire::sessions::SESSIONS_RESOLVE => listing::resolve,
    wire::sessions::SESSIONS_PREVIEW => history::preview,
    wire::sessions::SESSIONS_GET => history::get,
    wire::sessions::SESSIONS_CREATE => sessions::create,
    wire::sessions::SESSIONS_PATCH => sessions::patch,
    wire::sessions::SESSIONS_RESET => sessions::reset,
    wire::sessions::SESSIONS_DELETE => sessions::delete,
    wire::sessions::SESSIONS_ABORT => sessions::abort,
    wire::sessions::SESSIONS_SEND => sessions::send,
    wire::catalog::AGENTS_LIST => catalog::agents,
    wire::catalog::MODELS_LIST => catalog::models,
    wire::catalog::COMMANDS_LIST => catalog::commands,
    wire::catalog::TOOLS_CATALOG => catalog::tools,
    wire::catalog::TOOLS_EFFECTIVE => catalog::tools_effective,
    wire::catalog::SKILLS_STATUS => catalog::skills,
    wire::catalog::CHANNELS_STATUS => catalog::channels,
    wire::catalog::NODE_LIST => devices::nodes,
    wire::catalog::CRON_LIST => catalog::cron_list,
    wire::catalog::CRON_STATUS => catalog::cron_status,
    wire::questions::QUESTION_LIST => questions::list,
    wire::questions::QUESTION_GET => questions::get,
    wire::questions::QUESTION_WAIT_ANSWER => questions::wait_answer,
    wire::questions::QUESTION_RESOLVE => questions::resolve,
    wire::catalog::TASK_SUGGESTIONS_LIST => catalog::task_suggestions,
    wire::catalog::TASKS_LIST => catalog::tasks,
    wire::approvals::EXEC_APPROVAL_LIST => approvals::list,
    wire::approvals::EXEC_APPROVAL_GET => approvals::get,
    wire::approvals::EXEC_APPROVAL_RESOLVE => approvals::resolve,
    wire::approvals::EXEC_APPROVAL_WAIT_DECISION => approvals::wait_decision,
    wire::approvals::EXEC_APPROVAL_GRANTS_LIST => approvals::grants_list,
    wire::approvals::EXEC_APPROVAL_GRANTS_REVOKE => approvals::grants_revoke,
    wire::approvals::PLUGIN_APPROVAL_LIST => approvals::plugin_list,
    wire::devices::DEVICE_PAIR_LIST => devices::list,
    wire::devices::DEVICE_PAIR_APPROVE => devices::approve,
    wire::devices::DEVICE_PAIR_REJECT => devices::reject,
    wire::devices::DEVICE_PAIR_REMOVE => devices::remove,
    wire::devices::DEVICE_TOKEN_REVOKE => devices::revoke_token,
    wire::upkeep::SESSIONS_COMPACT => upkeep::compact,
    wire::upkeep::SESSIONS_COMPACTION_LIST => upkeep::list,
    wire::upkeep::SESSIONS_COMPACTION_RESTORE => upkeep::restore,
    wire::upkeep::RUNS_SNAPSHOT => upkeep::snapshot,
    wire::replay::RUNS_REPLAY => replay::replay,
    wire::replay::RUNS_FORK => replay::fork,
    wire::replay::RUNS_DIFF => replay::diff,
    wire::vars::VARS_GET => vars::get,
    wire::vars::VARS_SET => vars::set,
    wire::vars::VARS_LIST => vars::list,
    wire::instances::AGENTS_INSTANCES => instances::list,
    wire::instances::POOL_EXECUTE => instances::execute,
    wire::instances::SESSIONS_BIND => bindings::bind,
    wire::instances::SESSIONS_UNBIND => bindings::unbind,
    wire::instances::SESSIONS_BINDINGS => bindings::list,
};

/// Finds a method by name.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.method.name == name)
}
