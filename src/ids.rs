//! The backend's ids, a type for each, so that none is taken for another.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// ```
        #[doc = concat!("use grafoleancollector::", stringify!($name), ";")]
        #[doc = concat!("assert_eq!(", stringify!($name), "::new(7).to_string(), \"7\");")]
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The id that the backend gave.
            #[must_use]
            pub const fn new(id: u64) -> Self {
                Self(id)
            }

            /// The id as a number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// An account: the tenant that entities, credentials, sensors and values belong to.
    AccountId;
    /// An entity: a device, or a part of one.
    EntityId;
    /// A credential: how a device is opened.
    CredentialId;
    /// A sensor: what is measured.
    SensorId;
    /// A user of the backend: a person or a bot.
    UserId;
}
