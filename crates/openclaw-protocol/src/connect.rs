//! The handshake: `connect` and `hello-ok` (`protocol.md` §1.2).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::frame::StateVersion;
use crate::shape::{ANY, Field, Kind, NAME, NAMES, OBJECT, Shape, TEXT, integer, one_of, optional, required, text};

/// Parameters of `connect`. Checked field by field by the server, which names
/// the first violation as the published schema's validator would.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectParams {
    /// Lowest version the client speaks.
    pub min_protocol: u32,
    /// Highest version the client speaks.
    pub max_protocol: u32,
    /// Who connects.
    pub client: ClientInfo,
    /// `operator` (default), `node` or `worker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Operator scopes asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Optional features the client understands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Vec<String>>,
    /// Commands a node offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<String>>,
    /// Permissions a node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Value>,
    /// A node's `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_env: Option<String>,
    /// For example `en-US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Which model catalogue the client wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_catalog: Option<Value>,
    /// Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Proof of a device key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceProof>,
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// One of [`CLIENT_IDS`].
    pub id: String,
    /// The client's version.
    pub version: String,
    /// For example `linux`.
    pub platform: String,
    /// One of [`CLIENT_MODES`].
    pub mode: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The client's build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// For example `Linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    /// For example `iPhone17,1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_identifier: Option<String>,
    /// IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Id of the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
}

/// Credentials; which one is used first is the server's choice.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// The gateway's token, or a device token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The gateway's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// A token given to this device earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
    /// A short-lived token for the first pairing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_token: Option<String>,
    /// Reserved for approval runtimes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_runtime_token: Option<String>,
    /// Reserved for agent runtimes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_runtime_identity_token: Option<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth(****)")
    }
}

/// Proof that the client holds a device key; see [`crate::device::proof_text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceProof {
    /// Hex sha256 of the raw public key.
    pub id: String,
    /// Base64url, unpadded, of the 32 raw bytes.
    pub public_key: String,
    /// Base64url, unpadded, Ed25519 signature.
    pub signature: String,
    /// The challenge's `ts`, in milliseconds.
    pub signed_at: i64,
    /// The challenge's nonce.
    pub nonce: String,
}

/// The answer to an accepted `connect`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloOk {
    /// Always `hello-ok`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version spoken from here on.
    pub protocol: u32,
    /// The gateway: at least `version` and `connId`.
    pub server: Value,
    /// `methods`, `events`, `capabilities`.
    pub features: Features,
    /// State at this moment.
    pub snapshot: Snapshot,
    /// What was granted: at least `role` and `scopes`.
    pub auth: Value,
    /// Limits: at least `maxPayload`, `maxBufferedBytes`, `tickIntervalMs`.
    pub policy: Value,
    /// Anything else the server says.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

/// What the gateway can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Callable methods.
    pub methods: Vec<String>,
    /// Events that may come.
    pub events: Vec<String>,
    /// Optional behaviours.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// State at the moment of the handshake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Connected clients.
    pub presence: Vec<Value>,
    /// The health report.
    pub health: Value,
    /// Versions of the two.
    pub state_version: StateVersion,
    /// How long the gateway has run.
    pub uptime_ms: u64,
    /// Anything else the server says.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

/// Client ids a gateway accepts.
pub const CLIENT_IDS: [&str; 17] = [
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-browser-copilot",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-linux",
    "openclaw-ios",
    "openclaw-watchos",
    "openclaw-android",
    "node-host",
    "openclaw-worker",
    "test",
    "fingerprint",
    "openclaw-probe",
];

/// Client modes a gateway accepts.
pub const CLIENT_MODES: [&str; 8] = ["webchat", "cli", "ui", "backend", "node", "worker", "probe", "test"];

static CLIENT_FIELDS: &[Field] = &[
    required("id", one_of(&CLIENT_IDS)),
    optional("displayName", NAME),
    required("version", NAME),
    optional("buildId", text(1, 96)),
    required("platform", NAME),
    optional("deviceFamily", NAME),
    optional("modelIdentifier", NAME),
    optional("timeZone", text(1, 64)),
    required("mode", one_of(&CLIENT_MODES)),
    optional("instanceId", NAME),
];
static CLIENT: Shape = Shape::closed(CLIENT_FIELDS);

static DEVICE_FIELDS: &[Field] = &[
    required("id", NAME),
    required("publicKey", NAME),
    required("signature", NAME),
    required("signedAt", integer(0, i64::MAX)),
    required("nonce", NAME),
];
static DEVICE: Shape = Shape::closed(DEVICE_FIELDS);

static AUTH_FIELDS: &[Field] = &[
    optional("token", TEXT),
    optional("bootstrapToken", TEXT),
    optional("deviceToken", TEXT),
    optional("password", TEXT),
    optional("approvalRuntimeToken", TEXT),
    optional("agentRuntimeIdentityToken", TEXT),
];
static AUTH: Shape = Shape::closed(AUTH_FIELDS);

static FIELDS: &[Field] = &[
    required("minProtocol", integer(1, i64::MAX)),
    required("maxProtocol", integer(1, i64::MAX)),
    required("client", Kind::Of(&CLIENT)),
    optional("caps", NAMES),
    optional("commands", NAMES),
    optional("computerUse", ANY),
    optional("workerRuns", OBJECT),
    optional("permissions", OBJECT),
    optional("pathEnv", TEXT),
    optional("role", NAME),
    optional("scopes", NAMES),
    optional("device", Kind::Of(&DEVICE)),
    optional("auth", Kind::Of(&AUTH)),
    optional("locale", TEXT),
    optional("userAgent", TEXT),
    optional("modelCatalog", ANY),
];

/// Shape of the parameters of `connect`.
pub static PARAMS: Shape = Shape::closed(FIELDS);
