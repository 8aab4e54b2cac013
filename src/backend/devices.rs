//! The devices of an account, whoever serves them.

use serde_json::value::RawValue;

use super::wire::{self, RawEntity};
use super::{Api, ApiError, Resource, entities};
use crate::ids::{AccountId, EntityId};
use crate::protocol::Details;

/// The `entity_type` of a device.
pub(crate) const DEVICE: &str = "device";

/// A device of an account, whether a bot serves it or not.
///
/// ```
/// use grafoleancollector::Device;
///
/// fn has_address(device: &Device, address: &str) -> bool {
///     device.details.text("ipv4").is_some_and(|ipv4| ipv4 == address)
/// }
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Device {
    /// Its id.
    pub id: EntityId,
    /// Its name, as people see it.
    pub name: Box<str>,
    /// What is known of it, such as its address.
    pub details: Details,
}

/// Reads the devices of an account. What cannot be read is left out: a look at the jobs names it.
pub(crate) async fn list(api: &dyn Api, account: AccountId) -> Result<Vec<Device>, ApiError> {
    let resource = Resource::Entities(account);
    let body = api.get(resource).await?;
    wire::read(resource, &body, |body| Ok(wire::list(body)?.into_iter().filter_map(device).collect()))
}

fn device(raw: &RawValue) -> Option<Device> {
    let record: RawEntity<'_> = wire::object(raw).ok()?;
    if !record.entity_type.is_some_and(|raw| wire::is_text(raw, DEVICE)) {
        return None;
    }
    let id = wire::required("id", record.id).ok()?;
    let name = wire::shown_name(record.name).into();
    let details = record.details.map_or_else(|| Ok(Details::default()), entities::details).ok()?;
    Some(Device { id, name, details })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_those_entities_that_are_devices_and_can_be_read() {
        let list = br#"{"list":[
            {"id":1,"name":"a","entity_type":"device","parent":null,"details":{"ipv4":"10.0.0.1"},"protocols":{}},
            {"id":2,"name":"eth0","entity_type":"interface","parent":1,"details":{},"protocols":{}},
            {"id":"x","name":"broken","entity_type":"device","details":{}},
            {"id":4,"name":"bare","entity_type":"device"},
            7
        ]}"#;
        let records = wire::list(list).unwrap();
        let devices: Vec<_> = records.into_iter().filter_map(device).collect();
        assert_eq!(devices.iter().map(|device| device.id.get()).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(devices[0].details.text("ipv4").as_deref(), Some("10.0.0.1"));
    }
}
