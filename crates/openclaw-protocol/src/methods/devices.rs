//! Paired devices.

use super::Method;
use crate::scope::Scope;
use crate::shape::{Field, NAME, Shape, required};

/// Lists paired and waiting devices.
pub static DEVICE_PAIR_LIST: Method = Method::new("device.pair.list", Scope::Pairing, Shape::EMPTY);

static DEVICE_PAIR_APPROVE_PARAMS: &[Field] = &[required("requestId", NAME)];

/// Pairs a waiting device.
pub static DEVICE_PAIR_APPROVE: Method =
    Method::new("device.pair.approve", Scope::Pairing, Shape::closed(DEVICE_PAIR_APPROVE_PARAMS));

static DEVICE_PAIR_REJECT_PARAMS: &[Field] = &[required("requestId", NAME)];

/// Refuses a waiting device.
pub static DEVICE_PAIR_REJECT: Method =
    Method::new("device.pair.reject", Scope::Pairing, Shape::closed(DEVICE_PAIR_REJECT_PARAMS));

static DEVICE_PAIR_REMOVE_PARAMS: &[Field] = &[required("deviceId", NAME)];

/// Unpairs a device.
pub static DEVICE_PAIR_REMOVE: Method =
    Method::new("device.pair.remove", Scope::Pairing, Shape::closed(DEVICE_PAIR_REMOVE_PARAMS));

static DEVICE_TOKEN_REVOKE_PARAMS: &[Field] = &[required("deviceId", NAME), required("role", NAME)];

/// Makes a device token invalid.
pub static DEVICE_TOKEN_REVOKE: Method =
    Method::new("device.token.revoke", Scope::Pairing, Shape::closed(DEVICE_TOKEN_REVOKE_PARAMS));
