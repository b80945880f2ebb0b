//! Paired devices and those that wait.

use async_trait::async_trait;
use openclaw_domain::device::{Device, PairingRequest};
use openclaw_domain::ports::{Devices, Durability, RecordError as Error};
use rusqlite::{Connection, OptionalExtension, params};

use super::Store;
use super::body::{inline, read_row, read_rows};
use super::error::WorkError;

/// Version of the bodies written here.
const VERSION: u16 = 1;

/// Most devices that may wait: anybody who reaches the port can ask.
const WAITING_MAX: usize = 100;

#[async_trait]
impl Devices for Store {
    async fn list(&self) -> Result<(Vec<Device>, Vec<PairingRequest>), Error> {
        let work = |db: &Connection| {
            let tx = db.unchecked_transaction()?;
            let devices = read_rows(&tx, "select v, body from device order by seen_at desc, id", VERSION)?;
            let waiting = read_rows(&tx, "select v, body from pairing order by asked_at, id", VERSION)?;
            Ok((devices, waiting))
        };
        self.read("devices.list", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn get(&self, id: &str) -> Result<Option<Device>, Error> {
        let id = id.to_owned();
        let work = move |db: &Connection| {
            let mut select = db.prepare_cached("select v, body from device where id = ?1")?;
            Ok(select.query_row([id], |row| read_row(row, VERSION)).optional()?)
        };
        self.read("devices.get", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn put(&self, device: Device) -> Result<(), Error> {
        let body = inline("the device", &device).map_err(|error| WorkError::from(error).in_records(self.path()))?;
        let work = move |db: &Connection| {
            db.prepare_cached(
                "insert into device(id, v, body, seen_at) values (?1, ?2, ?3, ?4)
                 on conflict do update set v = ?2, body = ?3, seen_at = ?4",
            )?
            .execute(params![device.id, VERSION, body, device.seen_at.0])?;
            db.prepare_cached("delete from pairing where device = ?1")?.execute([&device.id])?;
            Ok(())
        };
        self.write("devices.put", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn request(&self, request: PairingRequest) -> Result<(), Error> {
        let body =
            inline("the pairing request", &request).map_err(|error| WorkError::from(error).in_records(self.path()))?;
        let work = move |db: &Connection| wait(db, &request, &body);
        self.write("devices.request", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn remove(&self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        let work = move |db: &Connection| {
            let devices = db.prepare_cached("delete from device where id = ?1")?.execute([&id])?;
            let waiting = db.prepare_cached("delete from pairing where device = ?1 or id = ?1")?.execute([&id])?;
            Ok(devices + waiting > 0)
        };
        self.write("devices.remove", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }
}

fn wait(db: &Connection, request: &PairingRequest, body: &str) -> Result<(), WorkError<Error>> {
    let device = &request.device.id;
    db.prepare_cached("delete from pairing where device = ?1 or id = ?2")?.execute([device, &request.id])?;
    let waiting: usize = db.prepare_cached("select count(*) from pairing")?.query_row((), |row| row.get(0))?;
    if waiting >= WAITING_MAX {
        let what = "the list of devices that wait to be paired".to_owned();
        return Err(WorkError::Refused(Error::TooLarge { what, max: format!("{WAITING_MAX} devices") }));
    }
    db.prepare_cached("insert into pairing(device, id, v, body, asked_at) values (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![device, request.id, VERSION, body, request.asked_at.0])?;
    Ok(())
}
