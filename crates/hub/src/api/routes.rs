//! All routes: what they are, who may, who answers, and how it is described. There are no others.

use std::{future::Future, pin::Pin};

use hyper::Method;

use super::{
    accounts, bots, changes, credentials, cx::Cx, entities, grants, login, overview, paths, persons,
    problems, profile, sensors, status, values,
};
use crate::{
    auth::Verb,
    http::{Answer, Refusal},
};

/// What answers.
pub(crate) type Handler =
    for<'a> fn(&'a Cx) -> Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send + 'a>>;

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Public,
    /// Every user that is known.
    User,
    /// Every bot.
    Bot,
    /// Who was granted the method at the resource.
    Granted,
    /// As above, or who was granted to read there: a question that is too long for a path is asked by `POST`.
    GrantedOrRead,
    /// Who was granted the method; and a person for themself: the last number of the path is their id.
    GrantedOrSelf,
}

/// One route.
pub(crate) struct Route {
    pub(crate) verb: Verb,
    /// Below `/api`. `{name}` is a number, `{*name}` a text.
    pub(crate) pattern: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: Handler,
    /// What it does, for the description.
    pub(crate) summary: &'static str,
    /// Names of the schemas of what is sent and answered.
    pub(crate) request: Option<&'static str>,
    pub(crate) response: Option<&'static str>,
    pub(crate) status: u16,
    /// Name and meaning.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    /// Its bodies may be as large as any.
    pub(crate) large: bool,
}

impl Route {
    const fn new(
        verb: Verb,
        pattern: &'static str,
        access: Access,
        handler: Handler,
        summary: &'static str,
    ) -> Self {
        Self {
            verb,
            pattern,
            access,
            handler,
            summary,
            request: None,
            response: None,
            status: 204,
            parameters: &[],
            large: false,
        }
    }

    const fn takes(mut self, schema: &'static str) -> Self {
        self.request = Some(schema);
        self
    }

    const fn answers(mut self, status: u16, schema: &'static str) -> Self {
        self.status = status;
        self.response = Some(schema);
        self
    }

    const fn with(mut self, parameters: &'static [(&'static str, &'static str)]) -> Self {
        self.parameters = parameters;
        self
    }

    const fn large(mut self) -> Self {
        self.large = true;
        self
    }

    /// Whether it does more than answer a question.
    pub(crate) fn changes_something(&self) -> bool {
        self.verb != Verb::Get && self.access != Access::GrantedOrRead
    }

    /// The HTTP method.
    pub(crate) const fn method(&self) -> Method {
        match self.verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        }
    }
}

/// The variable parts of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) ids: Vec<i64>,
    pub(crate) text: String,
    /// The path with each number written in one way only: what is granted is looked up by it.
    pub(crate) resource: String,
}

/// Whether a path (without slashes at its ends) is of this pattern, and its variable parts.
pub(crate) fn matched(pattern: &str, path: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        let (wanted, given) = match (wanted.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some(wanted), Some(given)) => (wanted, given),
            _ => return None,
        };
        if !parts.resource.is_empty() {
            parts.resource.push('/');
        }
        if wanted.starts_with("{*") {
            parts.text = crate::http::query::decoded(given, false).into_owned();
            parts.resource.push_str(&parts.text);
        } else if wanted.starts_with('{') {
            let id = given.bytes().all(|byte| byte.is_ascii_digit()).then(|| given.parse::<i64>().ok())??;
            parts.ids.push(id);
            parts.resource.push_str(&id.to_string());
        } else if wanted == given {
            parts.resource.push_str(given);
        } else {
            return None;
        }
    }
}

/// What stands at a path.
pub(crate) enum Found {
    Route(&'static Route, Parts),
    /// Other methods than the one asked for.
    Methods(Vec<Method>, Parts),
    Nothing,
}

pub(crate) fn find(method: &Method, path: &str) -> Found {
    let mut others = Vec::new();
    let mut parts_of_others = None;
    for route in ROUTES {
        let Some(parts) = matched(route.pattern, path) else { continue };
        let own = route.method();
        if own == *method || (own == Method::GET && *method == Method::HEAD) {
            return Found::Route(route, parts);
        }
        others.push(own);
        parts_of_others = Some(parts);
    }
    match parts_of_others {
        Some(parts) => Found::Methods(others, parts),
        None => Found::Nothing,
    }
}

macro_rules! handler {
    ($($path:ident)::+) => {
        |cx| Box::pin($($path)::+(cx))
    };
}

use Access::{Bot, Granted, GrantedOrRead, GrantedOrSelf, Public, User};
use Verb::{Delete, Get, Post, Put};

const SERIES: &[(&str, &str)] = &[
    ("t0", "from this time on (seconds since 1970, up to 6 decimals); default: the oldest value"),
    ("t1", "up to this time; default: now"),
    ("sort", "asc (default) or desc"),
    ("limit", "points at most: 1 to 100000 (default)"),
];

/// The routes. Of two that fit, the first counts.
#[rustfmt::skip]
pub(crate) static ROUTES: &[Route] = &[
    Route::new(Get, "status/info", Public, handler!(status::info), "Whether the hub is ready, and what it can do").answers(200, "Status"),
    Route::new(Get, "openapi.json", Public, handler!(status::openapi), "This description").answers(200, "Object"),
    Route::new(Post, "admin/migratedb", Public, handler!(status::migrate), "Nothing: the database is brought up to date at each start"),
    Route::new(Post, "admin/first", Public, handler!(login::first), "Create the first person, with the one-time token of the setup link").takes("FirstPerson").answers(201, "Login"),
    Route::new(Post, "auth/login", Public, handler!(login::login), "Log in; the bearer token stands in the header X-JWT-Token").takes("Credentials").answers(200, "Login"),
    Route::new(Post, "auth/refresh", Public, handler!(login::refresh), "Exchange a bearer token that ends or has just ended").answers(200, "Session"),
    Route::new(Post, "auth/logout", User, handler!(login::logout), "End the session"),

    Route::new(Get, "profile", User, handler!(profile::get), "Who the caller is").answers(200, "Profile"),
    Route::new(Get, "profile/permissions", User, handler!(profile::permissions), "What the caller may do").answers(200, "Permissions"),
    Route::new(Put, "profile/problems", Bot, handler!(problems::put), "A bot tells all of its jobs that fail now").takes("BotProblems").large(),
    Route::new(Get, "changes", User, handler!(changes::listen), "Changes as they happen: server-sent events").answers(200, "Events").with(&[
        ("topics", "resources separated by commas; default: all that the caller may read"),
        ("account", "the account of the values"),
        ("values", "path filters separated by commas: their values as they are stored"),
    ]),

    Route::new(Get, "admin/accounts", Granted, handler!(accounts::list), "Accounts that the caller may see").answers(200, "Accounts"),
    Route::new(Post, "admin/accounts", Granted, handler!(accounts::create), "Create an account").takes("AccountInput").answers(201, "NewAccount"),
    Route::new(Get, "accounts", User, handler!(accounts::list), "Accounts that the caller may see").answers(200, "Accounts"),
    Route::new(Post, "accounts", Granted, handler!(accounts::create), "Create an account").takes("AccountInput").answers(201, "NewAccount"),
    Route::new(Get, "accounts/{account}", Granted, handler!(accounts::get), "An account").answers(200, "Account"),
    Route::new(Put, "accounts/{account}", Granted, handler!(accounts::update), "Change an account").takes("AccountInput"),
    Route::new(Delete, "accounts/{account}", Granted, handler!(accounts::delete), "Delete an account with everything in it"),
    Route::new(Get, "accounts/{account}/overview", Granted, handler!(overview::get), "All devices at a glance").answers(200, "Overview"),
    Route::new(Get, "accounts/{account}/problems", Granted, handler!(problems::list), "What fails now").answers(200, "Problems"),

    Route::new(Get, "accounts/{account}/bots", Granted, handler!(bots::list), "The bots of an account").answers(200, "Bots"),
    Route::new(Post, "accounts/{account}/bots", Granted, handler!(bots::create), "Create a bot; its token is shown this once").takes("AccountBotInput").answers(201, "NewBot"),
    Route::new(Get, "accounts/{account}/bots/{bot}", Granted, handler!(bots::get), "A bot").answers(200, "Bot"),
    Route::new(Put, "accounts/{account}/bots/{bot}", Granted, handler!(bots::update), "Change a bot").takes("AccountBotInput"),
    Route::new(Delete, "accounts/{account}/bots/{bot}", Granted, handler!(bots::delete), "Delete a bot"),
    Route::new(Get, "accounts/{account}/bots/{bot}/token", Granted, handler!(bots::token), "Gone: a token is shown once, when it is made").answers(410, "Error"),
    Route::new(Post, "accounts/{account}/bots/{bot}/token", Granted, handler!(bots::new_token), "Make a new token; the old one ends").answers(200, "Token"),
    Route::new(Get, "accounts/{account}/bots/{bot}/permissions", Granted, handler!(grants::list), "What a bot may do").answers(200, "Permissions"),
    Route::new(Post, "accounts/{account}/bots/{bot}/permissions", Granted, handler!(grants::grant), "Allow a bot something").takes("Grant").answers(201, "Granted"),
    Route::new(Delete, "accounts/{account}/bots/{bot}/permissions/{permission}", Granted, handler!(grants::revoke), "Take a permission back"),

    Route::new(Get, "accounts/{account}/entities", Granted, handler!(entities::list), "The entities of an account").answers(200, "Entities").with(&[
        ("parent", "only those below this entity"),
        ("entity_type", "only those of this type"),
        ("suggested", "true: only those that a bot suggests; false: only others"),
    ]),
    Route::new(Post, "accounts/{account}/entities", Granted, handler!(entities::create), "Create an entity").takes("EntityInput").answers(201, "Id"),
    Route::new(Get, "accounts/{account}/entities/{entity}", Granted, handler!(entities::get), "An entity").answers(200, "Entity"),
    Route::new(Put, "accounts/{account}/entities/{entity}", Granted, handler!(entities::update), "Change an entity; its parent stays").takes("EntityInput"),
    Route::new(Delete, "accounts/{account}/entities/{entity}", Granted, handler!(entities::delete), "Delete an entity with those below it"),
    Route::new(Get, "accounts/{account}/credentials", Granted, handler!(credentials::list), "The credentials of an account; secrets only for who needs them").answers(200, "AllCredentials"),
    Route::new(Post, "accounts/{account}/credentials", Granted, handler!(credentials::create), "Create a credential").takes("CredentialInput").answers(201, "Id"),
    Route::new(Get, "accounts/{account}/credentials/{credential}", Granted, handler!(credentials::get), "A credential").answers(200, "Credential"),
    Route::new(Put, "accounts/{account}/credentials/{credential}", Granted, handler!(credentials::update), "Change a credential; secrets that are left out stay").takes("CredentialInput"),
    Route::new(Delete, "accounts/{account}/credentials/{credential}", Granted, handler!(credentials::delete), "Delete a credential"),
    Route::new(Get, "accounts/{account}/sensors", Granted, handler!(sensors::list), "The sensors of an account").answers(200, "Sensors"),
    Route::new(Post, "accounts/{account}/sensors", Granted, handler!(sensors::create), "Create a sensor").takes("SensorInput").answers(201, "Id"),
    Route::new(Get, "accounts/{account}/sensors/{sensor}", Granted, handler!(sensors::get), "A sensor").answers(200, "Sensor"),
    Route::new(Put, "accounts/{account}/sensors/{sensor}", Granted, handler!(sensors::update), "Change a sensor").takes("SensorInput"),
    Route::new(Delete, "accounts/{account}/sensors/{sensor}", Granted, handler!(sensors::delete), "Delete a sensor"),

    Route::new(Put, "accounts/{account}/values", Granted, handler!(values::write::put), "Store values with times; what is sent again is stored once").takes("TimedValues").large(),
    Route::new(Post, "accounts/{account}/values", Granted, handler!(values::write::post), "Store values of this moment").takes("Values").large(),
    Route::new(Get, "accounts/{account}/values/{*path}", Granted, handler!(values::read::get), "Values of one path").answers(200, "Series").with(SERIES),
    Route::new(Post, "accounts/{account}/getvalues", GrantedOrRead, handler!(values::read::get_many), "Values of several paths").takes("SeriesQuery").answers(200, "Series").large(),
    Route::new(Post, "accounts/{account}/getaggrvalues", GrantedOrRead, handler!(values::read::rollups), "Roll-ups of several paths: buckets of 3^a hours").takes("RollupQuery").answers(200, "Rollups").large(),
    Route::new(Get, "accounts/{account}/topvalues", Granted, handler!(values::top::get), "The largest values of the newest moment").answers(200, "Top").with(&[
        ("f", "a path filter: ? stands for one segment, * for one or more"),
        ("n", "values at most (default 5)"),
        ("t", "the newest moment up to this time; default: now"),
    ]),
    Route::new(Get, "accounts/{account}/last", Granted, handler!(values::read::last), "The newest value of each path").answers(200, "Last").with(&[
        ("p", "paths separated by commas"),
        ("f", "or a path filter"),
    ]),
    Route::new(Get, "accounts/{account}/paths", Granted, handler!(paths::list), "Paths that match filters").answers(200, "Paths").with(&[
        ("filter", "path filters separated by commas"),
        ("limit", "paths at most for each filter (default 10)"),
        ("failover_trailing", "true: where nothing matches, what begins so"),
    ]),
    Route::new(Get, "accounts/{account}/paths/{path}", Granted, handler!(paths::get), "A path by its id").answers(200, "Path"),
    Route::new(Put, "accounts/{account}/paths/{path}", Granted, handler!(paths::rename), "Rename a path").takes("Path"),
    Route::new(Delete, "accounts/{account}/paths/{path}", Granted, handler!(paths::delete), "Delete a path with its values"),

    Route::new(Get, "bots", User, handler!(bots::list), "The bots of the whole system").answers(200, "Bots"),
    Route::new(Post, "bots", Granted, handler!(bots::create), "Create a bot of the whole system; its token is shown this once").takes("BotInput").answers(201, "NewBot"),
    Route::new(Get, "bots/{bot}", Granted, handler!(bots::get), "A bot").answers(200, "Bot"),
    Route::new(Put, "bots/{bot}", Granted, handler!(bots::update), "Change a bot").takes("BotInput"),
    Route::new(Delete, "bots/{bot}", Granted, handler!(bots::delete), "Delete a bot"),
    Route::new(Get, "bots/{bot}/token", Granted, handler!(bots::token), "Gone: a token is shown once, when it is made").answers(410, "Error"),
    Route::new(Post, "bots/{bot}/token", Granted, handler!(bots::new_token), "Make a new token; the old one ends").answers(200, "Token"),
    Route::new(Get, "bots/{user}/permissions", Granted, handler!(grants::list), "What a bot may do").answers(200, "Permissions"),
    Route::new(Post, "bots/{user}/permissions", Granted, handler!(grants::grant), "Allow a bot something").takes("Grant").answers(201, "Id"),
    Route::new(Delete, "bots/{user}/permissions/{permission}", Granted, handler!(grants::revoke), "Take a permission back"),

    Route::new(Get, "persons", Granted, handler!(persons::list), "All persons").answers(200, "Persons"),
    Route::new(Post, "persons", Granted, handler!(persons::create), "Create a person, who may do nothing yet").takes("PersonInput").answers(201, "Id"),
    Route::new(Get, "persons/{user}", GrantedOrSelf, handler!(persons::get), "A person").answers(200, "PersonWithPermissions"),
    Route::new(Put, "persons/{user}", GrantedOrSelf, handler!(persons::update), "Change a person").takes("PersonChange"),
    Route::new(Delete, "persons/{user}", Granted, handler!(persons::delete), "Delete a person"),
    Route::new(Post, "persons/{user}/password", GrantedOrSelf, handler!(persons::set_password), "Change a password; other sessions end").takes("PasswordChange"),
    Route::new(Get, "persons/{user}/permissions", Granted, handler!(grants::list), "What a person may do").answers(200, "Permissions"),
    Route::new(Post, "persons/{user}/permissions", Granted, handler!(grants::grant), "Allow a person something").takes("Grant").answers(201, "Id"),
    Route::new(Delete, "persons/{user}/permissions/{permission}", Granted, handler!(grants::revoke), "Take a permission back"),

    Route::new(Get, "users/{user}", Granted, handler!(grants::user), "A person or bot").answers(201, "User"),
    Route::new(Get, "users/{user}/permissions", Granted, handler!(grants::list), "What a person or bot may do").answers(200, "Permissions"),
    Route::new(Post, "users/{user}/permissions", Granted, handler!(grants::grant), "Allow a person or bot something").takes("Grant").answers(201, "Id"),
    Route::new(Delete, "users/{user}/permissions/{permission}", Granted, handler!(grants::revoke), "Take a permission back"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_in_paths_are_found() {
        let parts = matched("accounts/{account}/values/{*path}", "accounts/07/values/a.%252e").unwrap();
        assert_eq!(parts.ids, [7]);
        assert_eq!(parts.text, "a.%2e");
        assert_eq!(parts.resource, "accounts/7/values/a.%2e");
        for other in [
            "accounts/x/values/a",
            "accounts/1/values",
            "accounts/1/values/a/b",
            "accounts/-1/values/a",
            "accounts//values/a",
        ] {
            assert_eq!(matched("accounts/{account}/values/{*path}", other), None, "{other}");
        }
    }

    #[test]
    fn no_route_stands_twice() {
        let mut all: Vec<_> = ROUTES.iter().map(|route| (route.pattern, route.verb.name())).collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_path_with_other_methods_names_them() {
        let Found::Methods(methods, _) = find(&Method::DELETE, "accounts") else { panic!("no methods") };
        assert_eq!(methods, [Method::GET, Method::POST]);
        assert!(matches!(find(&Method::HEAD, "accounts"), Found::Route(..)));
        assert!(matches!(find(&Method::GET, "acounts"), Found::Nothing));
    }
}
