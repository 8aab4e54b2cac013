//! Who may do what: rows of a resource prefix and methods.
//!
//! A resource is the path below `/api` without its slashes at both ends: `accounts/1/values`. A prefix covers
//! the resource of the same name and all below it, by whole segments: `accounts/1` covers `accounts/1/bots`
//! and not `accounts/12`. No prefix means every resource, no methods mean every method.

use serde::{Serialize, Serializer, ser::SerializeSeq};

/// A method that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    pub(crate) const ALL: [Self; 4] = [Self::Get, Self::Post, Self::Put, Self::Delete];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Some of the methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verbs(u8);

impl Verbs {
    pub(crate) fn of(verbs: impl IntoIterator<Item = Verb>) -> Self {
        Self(verbs.into_iter().fold(0, |bits, verb| bits | verb.bit()))
    }

    pub(crate) const fn contains(self, verb: Verb) -> bool {
        self.0 & verb.bit() != 0
    }

    const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// As they are kept: names with commas between them.
    pub(crate) fn parse(list: &str) -> Self {
        Self::of(list.split(',').filter_map(Verb::parse))
    }

    pub(crate) fn to_list(self) -> String {
        let names: Vec<_> = self.iter().map(Verb::name).collect();
        names.join(",")
    }

    fn iter(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.into_iter().filter(move |verb| self.contains(*verb))
    }
}

impl Serialize for Verbs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for verb in self.iter() {
            list.serialize_element(verb.name())?;
        }
        list.end()
    }
}

/// What is granted at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Grant {
    pub(crate) resource_prefix: Option<String>,
    pub(crate) methods: Option<Verbs>,
}

/// A grant as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Permission {
    pub(crate) id: i64,
    #[serde(flatten)]
    pub(crate) grant: Grant,
}

impl Grant {
    pub(crate) fn new(prefix: Option<&str>, methods: Option<Verbs>) -> Self {
        Self { resource_prefix: prefix.map(|prefix| prefix.trim_end_matches('/').to_owned()), methods }
    }

    /// Whether this allows `verb` at `resource`.
    pub(crate) fn allows(&self, resource: &str, verb: Verb) -> bool {
        self.methods.is_none_or(|methods| methods.contains(verb)) && self.covers(Some(resource))
    }

    /// Whether this allows all that `other` allows.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let methods = match (self.methods, other.methods) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => ours.contains_all(theirs),
        };
        methods && self.covers(other.resource_prefix.as_deref())
    }

    /// Whether everything at and below `resource` is at or below the prefix.
    fn covers(&self, resource: Option<&str>) -> bool {
        let Some(prefix) = &self.resource_prefix else { return true };
        let rest = resource.and_then(|resource| resource.strip_prefix(prefix.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether one of these grants allows it.
pub(crate) fn allowed(permissions: &[Permission], resource: &str, verb: Verb) -> bool {
    permissions.iter().any(|permission| permission.grant.allows(resource, verb))
}

/// Whether who has these may grant that: one single permission must include it.
pub(crate) fn can_grant(permissions: &[Permission], wanted: &Grant) -> bool {
    permissions.iter().any(|permission| permission.grant.includes(wanted))
}

/// Whether who has `ours` has all of `theirs` too.
pub(crate) fn has_all(ours: &[Permission], theirs: &[Permission]) -> bool {
    theirs.iter().all(|permission| can_grant(ours, &permission.grant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(prefix: Option<&str>, methods: Option<&str>) -> Permission {
        Permission { id: 1, grant: Grant::new(prefix, methods.map(Verbs::parse)) }
    }

    #[test]
    fn a_prefix_covers_whole_segments_only() {
        for prefix in ["accounts/12", "accounts/12/"] {
            let permissions = [permission(Some(prefix), None)];
            assert!(allowed(&permissions, "accounts/12", Verb::Delete));
            assert!(allowed(&permissions, "accounts/12/values", Verb::Put));
            assert!(!allowed(&permissions, "accounts/123", Verb::Get));
            assert!(!allowed(&permissions, "accounts/1", Verb::Get));
            assert!(!allowed(&permissions, "accounts", Verb::Get));
        }
    }

    #[test]
    fn no_prefix_means_everything_and_no_methods_mean_all() {
        assert!(allowed(&[permission(None, None)], "persons/1", Verb::Delete));
        let reader = [permission(None, Some("GET"))];
        assert!(allowed(&reader, "persons/1", Verb::Get));
        assert!(!allowed(&reader, "persons/1", Verb::Post));
        assert!(!allowed(&[], "persons/1", Verb::Get));
    }

    #[test]
    fn only_what_one_permission_includes_can_be_granted() {
        let admin = permission(None, None);
        let account = permission(Some("accounts/123"), None);
        let reader = permission(Some("accounts/234"), Some("GET"));
        let both = [account.clone(), reader];
        let wanted = |prefix, methods: Option<&str>| Grant::new(prefix, methods.map(Verbs::parse));
        for (ours, prefix, methods, expected) in [
            (std::slice::from_ref(&admin), None, None, true),
            (std::slice::from_ref(&admin), Some("accounts/123"), Some("GET,POST"), true),
            (std::slice::from_ref(&account), Some("accounts/123"), None, true),
            (std::slice::from_ref(&account), Some("accounts/123/asdf"), Some("GET"), true),
            (&both, Some("accounts/234/asdf"), Some("GET"), true),
            (std::slice::from_ref(&account), Some("accounts/234"), Some("GET"), false),
            (std::slice::from_ref(&account), Some("accounts/1234"), Some("GET"), false),
            (std::slice::from_ref(&account), None, Some("GET"), false),
            (&both, Some("accounts/234/asdf"), None, false),
            (&both, Some("accounts/234"), Some("GET,PUT"), false),
        ] {
            assert_eq!(can_grant(ours, &wanted(prefix, methods)), expected, "{prefix:?} {methods:?}");
        }
    }

    #[test]
    fn methods_are_written_as_a_list() {
        let json = serde_json::to_string(&permission(Some("bots"), Some("PUT,GET"))).unwrap();
        assert_eq!(json, r#"{"id":1,"resource_prefix":"bots","methods":["GET","PUT"]}"#);
        let json = serde_json::to_string(&permission(None, None)).unwrap();
        assert_eq!(json, r#"{"id":1,"resource_prefix":null,"methods":null}"#);
    }
}
