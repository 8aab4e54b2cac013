//! How a device is asked: what Grafolean stores, checked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_snmp::{AuthProtocol, PrivProtocol};
use serde::Deserialize;

use super::secret::Secret;

/// How a device is asked: the version, who asks, and how patiently.
///
/// The keys are those of Grafolean's credentials (`version`, `snmpv12_community`, `snmpv3_securityName`, …) and,
/// optional, those of [`Tuning`]. Two credentials are equal when they ask in the same way, wherever they come from.
/// Nothing that prints one shows its community or its keys.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Credential {
    pub(super) access: Access,
    pub(super) port: u16,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) max_repetitions: Option<u32>,
    pub(super) context: String,
    pub(super) accept_any_source: bool,
    pub(super) any_order: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Access {
    V1(Secret),
    V2c(Secret),
    V3(User),
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct User {
    pub(super) name: String,
    /// None: noAuthNoPriv.
    pub(super) passwords: Option<Passwords>,
}

/// What the keys are derived from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Passwords {
    pub(super) auth: (AuthProtocol, Secret),
    /// None: authNoPriv.
    pub(super) privacy: Option<(PrivProtocol, Secret)>,
}

/// What may be said of one device, over what its credential says. What is absent stays as it is.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Tuning {
    /// The UDP port: 161.
    pub port: Option<u16>,
    /// Seconds that each try may take: 2.
    pub timeout: Option<f64>,
    /// Further tries of a request that is not answered: 3.
    pub retries: Option<u32>,
    /// Rows asked for at once; absent: found out for each device.
    pub max_repetitions: Option<u32>,
    /// The SNMPv3 context: the empty one.
    pub context: Option<String>,
    /// Whether answers may come from another address than was asked: no. A device with several addresses may need
    /// it; it makes forging easier.
    pub accept_any_source: Option<bool>,
    /// Whether the rows of a table may come in any order, as long as none comes twice: no. Agents that do not sort
    /// need it; a walk that goes round in circles is noticed later then.
    pub any_order: Option<bool>,
}

#[derive(Default, Deserialize)]
#[allow(non_snake_case, reason = "Grafolean's names")]
struct Fields {
    version: Option<String>,
    snmpv12_community: Option<String>,
    snmpv3_securityName: Option<String>,
    snmpv3_securityLevel: Option<String>,
    snmpv3_authProtocol: Option<String>,
    snmpv3_authKey: Option<String>,
    snmpv3_privProtocol: Option<String>,
    snmpv3_privKey: Option<String>,
    port: Option<u16>,
    timeout: Option<f64>,
    retries: Option<u32>,
    max_repetitions: Option<u32>,
    context: Option<String>,
    accept_any_source: Option<bool>,
    any_order: Option<bool>,
}

const PORT: u16 = 161;
/// A busy switch can take more than a second for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A walk of 23 requests at 30 % loss ends well with 0.95 with 4 tries each, and with 0.5 with 3.
const RETRIES: u32 = 3;
const SHORTEST_TIMEOUT: f64 = 0.01;
const LONGEST_TIMEOUT: f64 = 60.0;
const MOST_RETRIES: u32 = 10;
/// More rows do not fit into any datagram.
const MOST_REPETITIONS: u32 = 10_000;
/// So that the request still fits into an Ethernet frame.
const LONGEST_COMMUNITY: usize = 255;
/// SnmpAdminString (SIZE(1..32)), RFC 3414.
const LONGEST_NAME: usize = 32;
/// RFC 3414, 11.2; shorter ones are refused by agents too.
const SHORTEST_PASSWORD: usize = 8;

impl Credential {
    /// SNMPv1 with a community.
    ///
    /// # Errors
    /// If the community is empty or longer than 255 bytes.
    pub fn v1(community: impl Into<String>) -> Result<Self, String> {
        Ok(Self::new(Access::V1(community_of(Some(community.into()))?)))
    }

    /// SNMPv2c with a community.
    ///
    /// # Errors
    /// If the community is empty or longer than 255 bytes.
    pub fn v2c(community: impl Into<String>) -> Result<Self, String> {
        Ok(Self::new(Access::V2c(community_of(Some(community.into()))?)))
    }

    /// SNMPv3 with a user. `auth` and `privacy` are a protocol, by any of its names, and its pass phrase; without both
    /// the level is noAuthNoPriv. There is no privacy without authentication.
    ///
    /// ```
    /// use grafolean_snmp_bot::wire::Credential;
    /// let auth = ("SHA-256", "authentic-secret".to_owned());
    /// assert!(Credential::v3("carol", Some(auth), Some(("AES", "private-secret".to_owned()))).is_ok());
    ///
    /// let wrong = Credential::v3("carol", Some(("SHA", "short".to_owned())), None).unwrap_err();
    /// assert!(wrong.starts_with("snmpv3_authKey: expected at least 8 bytes"));
    /// ```
    ///
    /// # Errors
    /// If the name is empty or too long, a protocol is unknown, or a pass phrase is too short: one line that names
    /// Grafolean's field.
    pub fn v3(
        user: impl Into<String>,
        auth: Option<(&str, String)>,
        privacy: Option<(&str, String)>,
    ) -> Result<Self, String> {
        let level = match (&auth, &privacy) {
            (None, None) => "noAuthNoPriv",
            (Some(_), None) => "authNoPriv",
            (_, Some(_)) => "authPriv",
        };
        let split = |pair: Option<(&str, String)>| {
            pair.map_or((None, None), |(protocol, phrase)| (Some(protocol.to_owned()), Some(phrase)))
        };
        let ((auth_protocol, auth_key), (priv_protocol, priv_key)) = (split(auth), split(privacy));
        Fields {
            version: Some("snmpv3".to_owned()),
            snmpv3_securityName: Some(user.into()),
            snmpv3_securityLevel: Some(level.to_owned()),
            snmpv3_authProtocol: auth_protocol,
            snmpv3_authKey: auth_key,
            snmpv3_privProtocol: priv_protocol,
            snmpv3_privKey: priv_key,
            ..Fields::default()
        }
        .try_into()
    }

    fn new(access: Access) -> Self {
        let (timeout, retries) = (TIMEOUT, RETRIES);
        let context = String::new();
        Self {
            access,
            port: PORT,
            timeout,
            retries,
            max_repetitions: None,
            context,
            accept_any_source: false,
            any_order: false,
        }
    }

    /// This with what is said of one device.
    ///
    /// # Errors
    /// If a value is out of range: one line that names the field.
    pub fn tuned(mut self, tuning: &Tuning) -> Result<Self, String> {
        let Tuning { port, timeout, retries, max_repetitions, context, accept_any_source, any_order } =
            tuning;
        if let &Some(port) = port {
            within("port", &port, &(1..=u16::MAX))?;
            self.port = port;
        }
        if let &Some(seconds) = timeout {
            within("timeout", &seconds, &(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT))?;
            self.timeout = Duration::from_secs_f64(seconds);
        }
        if let &Some(retries) = retries {
            within("retries", &retries, &(0..=MOST_RETRIES))?;
            self.retries = retries;
        }
        if let &Some(rows) = max_repetitions {
            within("max_repetitions", &rows, &(1..=MOST_REPETITIONS))?;
            self.max_repetitions = Some(rows);
        }
        if let Some(context) = context {
            if context.len() > LONGEST_NAME {
                return Err(format!("context: expected at most {LONGEST_NAME} bytes, got {}", context.len()));
            }
            self.context.clone_from(context);
        }
        self.accept_any_source = accept_any_source.unwrap_or(self.accept_any_source);
        self.any_order = any_order.unwrap_or(self.any_order);
        Ok(self)
    }

    /// The UDP port of the device.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How long each try may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How many further tries a request has.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// How many rows to ask for at once; None: to be found out.
    #[must_use]
    pub fn max_repetitions(&self) -> Option<u32> {
        self.max_repetitions
    }

    /// Whether the rows of a table may come in any order.
    #[must_use]
    pub fn any_order(&self) -> bool {
        self.any_order
    }

    /// Whether the version has GETBULK.
    #[must_use]
    pub fn has_bulk(&self) -> bool {
        !matches!(self.access, Access::V1(_))
    }

    /// Whether it is one of SNMPv3: with a user, not a community.
    #[must_use]
    pub fn is_v3(&self) -> bool {
        matches!(self.access, Access::V3(_))
    }

    pub(super) fn user(&self) -> Option<&User> {
        match &self.access {
            Access::V3(user) => Some(user),
            Access::V1(_) | Access::V2c(_) => None,
        }
    }
}

impl TryFrom<Fields> for Credential {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let version = fields.version.unwrap_or_default();
        let access = match version.trim().to_ascii_lowercase().as_str() {
            "snmpv1" => Access::V1(community_of(fields.snmpv12_community)?),
            "snmpv2c" => Access::V2c(community_of(fields.snmpv12_community)?),
            "snmpv3" => {
                let name = fields.snmpv3_securityName.unwrap_or_default();
                if !(1..=LONGEST_NAME).contains(&name.len()) {
                    return Err(format!("snmpv3_securityName: expected 1 to {LONGEST_NAME} bytes"));
                }
                let auth = || {
                    let Auth(protocol) = protocol_of("snmpv3_authProtocol", fields.snmpv3_authProtocol)?;
                    Ok::<_, String>((protocol, password_of("snmpv3_authKey", fields.snmpv3_authKey)?))
                };
                let privacy = || {
                    let Privacy(protocol) = protocol_of("snmpv3_privProtocol", fields.snmpv3_privProtocol)?;
                    Ok::<_, String>((protocol, password_of("snmpv3_privKey", fields.snmpv3_privKey)?))
                };
                let level = fields.snmpv3_securityLevel.unwrap_or_default();
                // What a level does not use is not looked at: forms keep what was once filled in.
                let passwords = match level.trim().to_ascii_lowercase().as_str() {
                    "noauthnopriv" => None,
                    "authnopriv" => Some(Passwords { auth: auth()?, privacy: None }),
                    "authpriv" => Some(Passwords { auth: auth()?, privacy: Some(privacy()?) }),
                    _ => {
                        let expected = "noAuthNoPriv, authNoPriv or authPriv";
                        return Err(format!("snmpv3_securityLevel: expected {expected}"));
                    }
                };
                Access::V3(User { name, passwords })
            }
            _ => return Err("version: expected snmpv1, snmpv2c or snmpv3".to_owned()),
        };
        let Fields { port, timeout, retries, max_repetitions, context, .. } = fields;
        let Fields { accept_any_source, any_order, .. } = fields;
        Self::new(access).tuned(&Tuning {
            port,
            timeout,
            retries,
            max_repetitions,
            context,
            accept_any_source,
            any_order,
        })
    }
}

fn within<T: PartialOrd + fmt::Display>(
    field: &str,
    value: &T,
    range: &std::ops::RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(value) {
        return Ok(());
    }
    Err(format!("{field}: expected {} to {}, got {value}", range.start(), range.end()))
}

fn community_of(text: Option<String>) -> Result<Secret, String> {
    let community = Secret::new(text.unwrap_or_default());
    if (1..=LONGEST_COMMUNITY).contains(&community.len()) {
        return Ok(community);
    }
    Err(format!("snmpv12_community: expected 1 to {LONGEST_COMMUNITY} bytes"))
}

fn password_of(field: &str, text: Option<String>) -> Result<Secret, String> {
    let password = Secret::new(text.unwrap_or_default());
    if password.len() >= SHORTEST_PASSWORD {
        return Ok(password);
    }
    Err(format!("{field}: expected at least {SHORTEST_PASSWORD} bytes (RFC 3414 allows no shorter ones)"))
}

fn protocol_of<T: FromStr<Err = &'static str>>(field: &str, text: Option<String>) -> Result<T, String> {
    let mut name = text.unwrap_or_default().to_ascii_uppercase();
    name.retain(|c| !matches!(c, '-' | '_' | ' '));
    name.parse().map_err(|expected| format!("{field}: expected {expected}"))
}

struct Auth(AuthProtocol);

impl FromStr for Auth {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, &'static str> {
        Ok(Self(match name {
            "MD5" => AuthProtocol::Md5,
            "SHA" | "SHA1" => AuthProtocol::Sha1,
            "SHA224" => AuthProtocol::Sha224,
            "SHA256" => AuthProtocol::Sha256,
            "SHA384" => AuthProtocol::Sha384,
            "SHA512" => AuthProtocol::Sha512,
            _ => return Err("MD5, SHA, SHA-224, SHA-256, SHA-384 or SHA-512"),
        }))
    }
}

struct Privacy(PrivProtocol);

impl FromStr for Privacy {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, &'static str> {
        Ok(Self(match name {
            "DES" => PrivProtocol::Des,
            "AES" | "AES128" => PrivProtocol::Aes128,
            // The two ways to lengthen a short key: Blumenthal's draft, and Reeder's, which Cisco took.
            "AES192" => PrivProtocol::Aes192Blumenthal,
            "AES256" => PrivProtocol::Aes256Blumenthal,
            "AES192C" => PrivProtocol::Aes192Reeder,
            "AES256C" => PrivProtocol::Aes256Reeder,
            _ => return Err("DES, AES, AES-192, AES-256, AES-192-C or AES-256-C"),
        }))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credential");
        match &self.access {
            Access::V1(_) => shown.field("version", &"snmpv1"),
            Access::V2c(_) => shown.field("version", &"snmpv2c"),
            Access::V3(User { name, passwords }) => {
                shown.field("version", &"snmpv3").field("user", name);
                if let Some(Passwords { auth, privacy }) = passwords {
                    shown.field("auth", &auth.0).field("priv", &privacy.as_ref().map(|privacy| privacy.0));
                }
                &mut shown
            }
        };
        shown.field("port", &self.port).field("timeout", &self.timeout).field("retries", &self.retries);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Credential, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn v3(rest: &str) -> Result<Credential, String> {
        read(&format!(r#"{{"version":"snmpv3","snmpv3_securityName":"carol",{rest}}}"#))
    }

    #[test]
    fn what_grafolean_stores_is_read() {
        let credential = read(r#"{"version":"snmpv2c","snmpv12_community":"public"}"#).unwrap();
        assert_eq!(credential, Credential::v2c("public").unwrap());
        assert_eq!((credential.port(), credential.retries(), credential.has_bulk()), (161, 3, true));
        let credential = read(
            r#"{"version":"snmpv1","snmpv12_community":"a\u0000b","port":1161,"timeout":0.5,"retries":0,
                "max_repetitions":7,"accept_any_source":true,"any_order":true,"snmpv3_authKey":"short","colour":"red"}"#,
        )
        .unwrap();
        assert!(!credential.has_bulk() && credential.accept_any_source && credential.any_order());
        assert_eq!((credential.port(), credential.timeout()), (1161, Duration::from_millis(500)));
        assert_eq!((credential.retries(), credential.max_repetitions()), (0, Some(7)));
    }

    #[test]
    fn protocols_are_known_by_all_their_names() {
        for (name, auth) in [
            ("MD5", AuthProtocol::Md5),
            ("sha", AuthProtocol::Sha1),
            ("SHA-1", AuthProtocol::Sha1),
            ("SHA-224", AuthProtocol::Sha224),
            ("sha256", AuthProtocol::Sha256),
            ("SHA_384", AuthProtocol::Sha384),
            ("Sha512", AuthProtocol::Sha512),
        ] {
            let credential = v3(&format!(
                r#""snmpv3_securityLevel":"authNoPriv","snmpv3_authProtocol":"{name}","snmpv3_authKey":"12345678""#
            ));
            let passwords = credential.unwrap().user().unwrap().passwords.clone().unwrap();
            assert_eq!((passwords.auth.0, passwords.privacy.is_none()), (auth, true), "{name}");
        }
        for (name, privacy) in [
            ("DES", PrivProtocol::Des),
            ("AES", PrivProtocol::Aes128),
            ("aes-128", PrivProtocol::Aes128),
            ("AES192", PrivProtocol::Aes192Blumenthal),
            ("AES-256", PrivProtocol::Aes256Blumenthal),
            ("AES192C", PrivProtocol::Aes192Reeder),
            ("aes-256-c", PrivProtocol::Aes256Reeder),
        ] {
            let credential = v3(&format!(
                r#""snmpv3_securityLevel":"authPriv","snmpv3_authProtocol":"SHA","snmpv3_authKey":"12345678",
                   "snmpv3_privProtocol":"{name}","snmpv3_privKey":"abcdefgh""#
            ));
            let passwords = credential.unwrap().user().unwrap().passwords.clone().unwrap();
            assert_eq!(passwords.privacy.unwrap().0, privacy, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_shown() {
        let auth = r#""snmpv3_authProtocol":"SHA","snmpv3_authKey":"hunter22""#;
        for (json, field) in [
            ("{}".to_owned(), "version"),
            (r#"{"version":"hunter2"}"#.to_owned(), "version"),
            (r#"{"version":"snmpv1"}"#.to_owned(), "snmpv12_community"),
            (r#"{"version":"snmpv2c","snmpv12_community":""}"#.to_owned(), "snmpv12_community"),
            (r#"{"version":"snmpv3"}"#.to_owned(), "snmpv3_securityName"),
            (r#"{"version":"snmpv2c","snmpv12_community":"hunter2","port":0}"#.to_owned(), "port"),
            (r#"{"version":"snmpv2c","snmpv12_community":"hunter2","timeout":0}"#.to_owned(), "timeout"),
            (r#"{"version":"snmpv2c","snmpv12_community":"hunter2","timeout":1e9}"#.to_owned(), "timeout"),
            (r#"{"version":"snmpv2c","snmpv12_community":"hunter2","retries":11}"#.to_owned(), "retries"),
            (
                r#"{"version":"snmpv2c","snmpv12_community":"hunter2","max_repetitions":0}"#.to_owned(),
                "max_repetitions",
            ),
            (
                format!(r#"{{"version":"snmpv3","snmpv3_securityName":"carol",{auth}}}"#),
                "snmpv3_securityLevel",
            ),
        ] {
            let error = read(&json).unwrap_err();
            assert!(error.starts_with(&format!("{field}: expected")), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let level = r#""snmpv3_securityLevel":"authPriv""#;
        for (rest, field) in [
            (String::new(), "snmpv3_authProtocol"),
            (r#","snmpv3_authProtocol":"hunter2""#.to_owned(), "snmpv3_authProtocol"),
            (r#","snmpv3_authProtocol":"SHA","snmpv3_authKey":"hunter2""#.to_owned(), "snmpv3_authKey"),
            (format!(",{auth}"), "snmpv3_privProtocol"),
            (format!(r#",{auth},"snmpv3_privProtocol":"hunter2""#), "snmpv3_privProtocol"),
            (format!(r#",{auth},"snmpv3_privProtocol":"DES","snmpv3_privKey":"hunter2""#), "snmpv3_privKey"),
        ] {
            let error = v3(&format!("{level}{rest}")).unwrap_err();
            assert!(error.starts_with(&format!("{field}: expected")), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn nothing_that_prints_a_credential_shows_its_secrets() {
        let json = r#""snmpv3_securityLevel":"authPriv","snmpv3_authProtocol":"SHA","snmpv3_authKey":"hunter22",
            "snmpv3_privProtocol":"AES","snmpv3_privKey":"hunter23""#;
        for credential in [v3(json).unwrap(), Credential::v1("hunter24").unwrap()] {
            let shown = format!("{credential:?} {credential:#?}");
            assert!(!shown.contains("hunter") && shown.contains("161"), "{shown}");
        }
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "***");
    }
}
