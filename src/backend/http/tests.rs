use std::error::Error as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::client::is_loopback;
use super::exchange::REFUSAL_LIMIT;
use super::*;
use crate::backend::{Change, EntityContent};
use crate::clock::Timestamp;
use crate::sample::Path;

/// With a character that is escaped in the URL, so that both forms have to be stripped.
const TOKEN: &str = "4f0b1f2a/9c3d-4e5f-8a7b-0123456789ab";
const ACCOUNT: AccountId = AccountId::new(7);

/// What to do after an answer's bytes were sent.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Next,
    Close,
    Hang,
    /// Sends the last bytes one by one, with pauses.
    Drip,
}

/// A server that answers every request with what a function makes of it.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicI64>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/", listener.local_addr().unwrap());
        let server = Self { url, requests: Arc::default(), connections: Arc::default() };
        let (requests, connections) = (server.requests.clone(), server.connections.clone());
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(Self::talk(stream, answer.clone(), requests.clone()));
            }
        });
        server
    }

    async fn talk(
        mut stream: TcpStream,
        answer: Arc<impl Fn(&str) -> (Vec<u8>, Then)>,
        requests: Arc<Mutex<Vec<String>>>,
    ) {
        let mut seen = Vec::new();
        while let Ok(1..) = stream.read_buf(&mut seen).await {
            let text = String::from_utf8_lossy(&seen).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                })
                .map_or(0, |n| n.parse().unwrap());
            if body.len() < length {
                continue;
            }
            seen.clear();
            requests.lock().unwrap().push(text.clone());
            let (bytes, then) = answer(&text);
            let drops = if then == Then::Drip { 15 } else { 0 };
            let (bytes, drops) = bytes.split_at(bytes.len() - drops);
            let mut sent = stream.write_all(bytes).await;
            for drop in drops {
                tokio::time::sleep(Duration::from_millis(20)).await;
                sent = sent.and(stream.write_all(&[*drop]).await);
            }
            match then {
                Then::Next | Then::Drip if sent.is_ok() => {}
                Then::Hang => std::future::pending().await,
                _ => return,
            }
        }
    }

    /// A server that gives everybody the same.
    async fn always(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let answer = response(status, headers, body.as_ref());
        Self::start(move |_| (answer.clone(), Then::Next)).await
    }

    fn api(&self) -> HttpApi {
        self.api_with(Limits { request: Duration::from_secs(20), ..Limits::default() })
    }

    fn api_with(&self, limits: Limits) -> HttpApi {
        api(&self.url, limits, Arc::new(crate::clock::SystemClock))
    }

    fn request(&self, index: usize) -> String {
        self.requests.lock().unwrap()[index].clone()
    }
}

fn api(url: &str, limits: Limits, clock: Arc<dyn Clock>) -> HttpApi {
    HttpApi::with_limits(url, Token::new(TOKEN), DeliveryMode::Put, clock, limits).unwrap()
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// All that an error may show anywhere, after a look for the token in it.
#[track_caller]
fn text(error: &ApiError) -> String {
    let all = format!("{error} {error:?} {:?}", error.source().map(ToString::to_string));
    for part in ["4f0b1f2a", "0123456789ab", "4F0B1F2A", "0123456789AB"] {
        assert!(!all.contains(part), "the token is in {all}");
    }
    error.to_string()
}

async fn get(api: &HttpApi) -> ApiError {
    api.get(Resource::Accounts).await.unwrap_err()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body).unwrap();
    gzip.finish().unwrap()
}

fn sample(path: &str, value: f64, micros: i64) -> Sample {
    Sample { path: Path::new(path).unwrap(), value, time: Timestamp::from_micros(micros) }
}

#[tokio::test]
async fn requests_carry_the_token_and_who_asks_over_one_connection() {
    let server = Server::always("200 OK", "", r#"{"list":[]}"#).await;
    let api = server.api();
    for resource in [Resource::Status, Resource::Profile, Resource::Entities(ACCOUNT)] {
        api.get(resource).await.unwrap();
    }
    let escaped = TOKEN.replace('/', "%2F");
    assert!(server.request(0).starts_with(&format!("GET /api/status/info?b={escaped} HTTP/1.1\r\n")));
    assert!(server.request(2).starts_with(&format!("GET /api/accounts/7/entities?b={escaped} HTTP/1.1\r\n")));
    let head = server.request(0).to_ascii_lowercase();
    assert!(head.contains(concat!("user-agent: grafoleancollector/", env!("CARGO_PKG_VERSION"))));
    assert!(head.contains("accept-encoding: gzip"));
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_opened_by_a_run_stood_still_and_ended_with_the_threads_of_the_runs() {
    let server = Server::always("200 OK", "", "{}").await;
    let api = Arc::new(server.api());
    let (asked, has_asked) = tokio::sync::oneshot::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let runs = std::thread::spawn({
        let api = api.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(api.get(Resource::Profile)).unwrap();
            asked.send(()).unwrap();
            // As a run that blocks its thread.
            let _ = ended.recv();
        }
    });
    has_asked.await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(5), api.get(Resource::Profile)).await;
    drop(end);
    second.expect("an answer while the runs block").unwrap();
    runs.join().unwrap();
    api.get(Resource::Profile).await.unwrap();
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_packed_answer_is_unpacked() {
    let body = packed(br#"{"list":[1]}"#);
    let server = Server::always("200 OK", "content-encoding: gzip\r\n", body).await;
    assert_eq!(server.api().get(Resource::Accounts).await.unwrap(), br#"{"list":[1]}"#);
}

#[tokio::test]
async fn a_refused_connection_is_named_without_the_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    drop(listener);
    let error = get(&api(&url, Limits::default(), Arc::new(crate::clock::SystemClock))).await;
    assert_eq!(text(&error), "GET accounts: cannot connect: connection refused");
    assert!(matches!(error, ApiError::Transport { .. }));
}

#[tokio::test]
async fn a_host_that_is_not_there_is_named() {
    let limits = Limits { connect: Duration::from_secs(20), ..Limits::default() };
    let error =
        get(&api("http://no-such-host.invalid/api", limits, Arc::new(crate::clock::SystemClock))).await;
    // A proxy of the environment may answer in its place.
    assert!(matches!(error, ApiError::Transport { .. } | ApiError::Status { .. } | ApiError::Timeout { .. }));
    text(&error);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_transport_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/api", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    match HttpApi::new(&url, Token::new(TOKEN), DeliveryMode::Put, Arc::new(crate::clock::SystemClock)) {
        Ok(api) => {
            let error = get(&api).await;
            assert!(text(&error).starts_with("GET accounts: cannot connect: "), "{error}");
        }
        // Without root certificates there is no https at all, and it says so.
        Err(error) => assert!(error.to_string().starts_with("cannot set up TLS: "), "{error}"),
    }
}

#[tokio::test]
async fn a_refusal_that_echoes_the_url_does_not_show_the_token() {
    for form in [TOKEN.to_owned(), TOKEN.replace('/', "%2f"), TOKEN.replace('/', "%2F").to_uppercase()] {
        let page = format!("no way to\n  http://x/api/accounts?b={form} from here");
        let server = Server::always("500 Internal Server Error", "", page).await;
        let error = get(&server.api()).await;
        assert_eq!(
            text(&error),
            "GET accounts: the backend answered 500: no way to http://x/api/accounts?b=[token] from here"
        );
    }
}

#[tokio::test]
async fn a_token_at_the_edge_of_what_is_read_or_shown_is_stripped_whole() {
    for (filler, count) in [("x", 190), (" ", REFUSAL_LIMIT - 10), ("x", REFUSAL_LIMIT - 10)] {
        let server = Server::always("500 Oops", "", format!("{}{TOKEN}", filler.repeat(count))).await;
        text(&get(&server.api()).await);
    }
}

#[tokio::test]
async fn refusals_say_their_reason() {
    for (status, body, expected) in [
        ("401 Unauthorized", "Access denied", "GET accounts: the backend answered 401: Access denied"),
        (
            "404 Not Found",
            r#"{"detail":"No such\nentity"}"#,
            "GET accounts: the backend answered 404: No such entity",
        ),
        (
            "502 Bad Gateway",
            "<html>\n<head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
            "GET accounts: the backend answered 502: an HTML page (502 Bad Gateway)",
        ),
        ("503 Service Unavailable", "", "GET accounts: the backend answered 503"),
    ] {
        let server = Server::always(status, "", body).await;
        assert_eq!(text(&get(&server.api()).await), expected);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_says_where_it_points() {
    let headers = format!("location: https://elsewhere.example/login?next=/api/accounts?b={TOKEN}\r\n");
    let server = Server::always("302 Found", &headers, "").await;
    assert_eq!(
        text(&get(&server.api()).await),
        "GET accounts: the backend answered 302: it redirects to https://elsewhere.example/login, which is not \
         followed: correct BACKEND_URL"
    );
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn half_an_answer_is_a_transport_error() {
    let whole = response("200 OK", "", br#"{"list":[{"id":1}]}"#);
    let gzip = packed(br#"{"list":[{"id":1,"name":"a name that is somewhat long"}]}"#);
    let mut half_packed = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n".to_vec();
    half_packed.extend_from_slice(&gzip[..gzip.len() / 2]);
    for half in [whole[..whole.len() - 8].to_vec(), whole[..12].to_vec(), Vec::new(), half_packed] {
        let server = Server::start(move |_| (half.clone(), Then::Close)).await;
        let error = get(&server.api()).await;
        assert!(matches!(error, ApiError::Transport { .. }), "{error}");
        text(&error);
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_or_drop_by_drop_is_a_timeout() {
    let brief = Duration::from_millis(200);
    let limits = Limits { request: brief, list_begin: brief, silence: brief, ..Limits::default() };
    for begin in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"list\":"] {
        let server = Server::start(move |_| (begin.as_bytes().to_vec(), Then::Hang)).await;
        let error = get(&server.api_with(limits)).await;
        assert_eq!(text(&error), "GET accounts: no answer within 200ms");
        assert!(matches!(error, ApiError::Timeout { .. }));
    }
}

#[tokio::test]
async fn a_list_that_took_longer_than_a_request_may_could_never_be_read() {
    let limits = Limits {
        request: Duration::from_millis(100),
        silence: Duration::from_millis(1_000),
        ..Limits::default()
    };
    let body = br#"{"list":[],   "user_id":1}"#;
    let server = Server::start(|_| (response("200 OK", "", body), Then::Drip)).await;
    let api = server.api_with(limits);
    assert_eq!(api.get(Resource::Entities(ACCOUNT)).await.unwrap(), body);
    let error = api.get(Resource::Profile).await.unwrap_err();
    assert_eq!(text(&error), "GET profile: no answer within 100ms");
    let error = server.api_with(Limits { list: Duration::from_millis(150), ..limits });
    let error = error.get(Resource::Entities(ACCOUNT)).await.unwrap_err();
    assert_eq!(text(&error), "GET accounts/7/entities: no answer within 150ms");
}

#[tokio::test]
async fn a_body_of_1_gb_is_given_up_at_the_limit() {
    let limits = Limits { accounts_bytes: 100_000, ..Limits::default() };
    // A promise of it is not read at all; without a promise it is cut.
    let promised = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{\"list\":[".to_vec();
    let mut endless = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    endless.resize(endless.len() + 4_000_000, b' ');
    for answer in [promised, endless] {
        let server = Server::start(move |_| (answer.clone(), Then::Hang)).await;
        let error = get(&server.api_with(limits)).await;
        assert_eq!(text(&error), "GET accounts: the answer is larger than 100000 bytes");
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_given_up_at_the_limit() {
    let bomb = packed(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 500_000);
    let server = Server::always("200 OK", "content-encoding: gzip\r\n", bomb).await;
    let error = get(&server.api_with(Limits { accounts_bytes: 1_000_000, ..Limits::default() })).await;
    assert!(matches!(error, ApiError::TooLarge { limit: 1_000_000, .. }), "{error}");
}

#[tokio::test]
async fn html_instead_of_json_says_so() {
    let page = "<!DOCTYPE html><html><head><title>Grafolean</title></head></html>";
    let server = Server::always("200 OK", "", page).await;
    assert_eq!(
        text(&get(&server.api()).await),
        "GET accounts: cannot read the answer: an HTML page (Grafolean), not JSON: is BACKEND_URL right? It has \
         to include /api"
    );
    let server = Server::always("200 OK", "", "").await;
    assert_eq!(text(&get(&server.api()).await), "GET accounts: cannot read the answer: it is empty");
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    for (headers, expected) in [
        ("retry-after: 12\r\n", Some(12)),
        ("retry-after: 99999999\r\n", Some(3_600)),
        ("date: Tue, 14 Nov 2023 22:13:20 GMT\r\nretry-after: Tue, 14 Nov 2023 22:14:20 GMT\r\n", Some(60)),
        ("date: Tue, 14 Nov 2023 22:13:20 GMT\r\nretry-after: Tue, 14 Nov 2023 22:10:20 GMT\r\n", Some(0)),
        ("retry-after: soon\r\n", None),
        ("", None),
    ] {
        let server = Server::always("429 Too Many Requests", headers, "slow down").await;
        match get(&server.api()).await {
            ApiError::Status { status: 429, retry_after, .. } => {
                assert_eq!(retry_after, expected.map(Duration::from_secs), "{headers}");
            }
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn values_are_put_with_their_time_or_posted_without() {
    let server = Server::always("204 No Content", "", "").await;
    let samples = [
        sample("a.b%2ec", 3.5, 1_700_000_000_250_000),
        sample("d", 1e300, 1_700_000_000_000_001),
        sample("e", -0.1, -1_500_000),
    ];
    server.api().store(ACCOUNT, &samples).await.unwrap();
    server.api().store(ACCOUNT, &[]).await.unwrap();
    let request = server.request(0);
    assert!(request.starts_with("PUT /api/accounts/7/values?b="));
    assert!(request.contains("content-type: application/json"));
    let body = r#"[{"p":"a.b%2ec","v":3.5,"t":1700000000.25},{"p":"d","v":1e300,"t":1700000000.000001},{"p":"e","v":-0.1,"t":-1.5}]"#;
    assert_eq!(request.split_once("\r\n\r\n").unwrap().1.replace("1e+300", "1e300"), body);

    let clock = Arc::new(crate::clock::SystemClock);
    let api = HttpApi::new(&server.url, Token::new(TOKEN), DeliveryMode::Post, clock).unwrap();
    api.store(ACCOUNT, &samples[..1]).await.unwrap();
    let request = server.request(1);
    assert!(request.starts_with("POST /api/accounts/7/values?b="));
    assert!(request.ends_with("\r\n\r\n[{\"p\":\"a.b%2ec\",\"v\":3.5}]"));
    assert_eq!(server.requests.lock().unwrap().len(), 2, "nothing is sent for nothing");
}

#[tokio::test]
async fn the_permission_to_store_is_asked_for_without_storing() {
    for (status, body, granted) in [
        ("400 Bad Request", r#"{"detail":"Missing data"}"#, true),
        ("500 Internal Server Error", "it misses the values", true),
        ("204 No Content", "", true),
        ("401 Unauthorized", "Access denied", false),
        ("403 Forbidden", "Access to resource denied, insufficient permissions", false),
    ] {
        let server = Server::always(status, "", body).await;
        let answer = server.api().may_store(ACCOUNT).await;
        assert_eq!(answer.is_ok(), granted, "{status} {body}");
        assert!(server.request(0).starts_with("PUT /api/accounts/7/values?b="));
        assert!(server.request(0).ends_with("\r\n\r\n[]"));
        if let Err(error) = answer {
            text(&error);
        }
    }
}

#[tokio::test]
async fn a_web_page_with_status_200_counted_as_values_stored() {
    let samples = [sample("a.b", 1.0, 1_700_000_000_000_000)];
    for (status, body, stored) in [
        ("204 No Content", "", true),
        ("200 OK", "", true),
        ("200 OK", "{}", true),
        ("202 Accepted", "null", true),
        ("200 OK", "<html><title>Sign in</title></html>", false),
        ("200 OK", "[welcome]", false),
        ("200 OK", "OK", false),
    ] {
        let server = Server::always(status, "", body).await;
        let api = server.api();
        for answer in [api.store(ACCOUNT, &samples).await, api.may_store(ACCOUNT).await] {
            assert_eq!(answer.is_ok(), stored, "{status} {body}");
            if let Err(error) = answer {
                assert!(matches!(error, ApiError::Malformed { .. }), "{error}");
            }
        }
    }
}

fn interface(name: &str) -> EntityContent {
    let details = serde_json::json!({"snmp_index": "2"});
    EntityContent::new(name, "interface", details.as_object().unwrap().clone())
}

fn create() -> EntityWrite {
    EntityWrite::Create { parent: Some(EntityId::new(3)), content: interface("eth0") }
}

fn update() -> EntityWrite {
    EntityWrite::Update { id: EntityId::new(9), content: interface("lan0") }
}

fn delete() -> EntityWrite {
    EntityWrite::Delete { id: EntityId::new(9) }
}

#[tokio::test]
async fn an_entity_is_created_changed_and_deleted() {
    let server = Server::start(|request| {
        let created = request.starts_with("POST");
        let (status, body) = if created { ("201 Created", r#"{"id":12}"#) } else { ("204 No Content", "") };
        (response(status, "", body.as_bytes()), Then::Next)
    })
    .await;
    let api = server.api();
    let escaped = TOKEN.replace('/', "%2F");
    for (index, (write, id, line, body)) in [
        (
            create(),
            12,
            "POST /api/accounts/7/entities",
            r#"{"parent":3,"name":"eth0","entity_type":"interface","details":{"snmp_index":"2"}}"#,
        ),
        (
            update(),
            9,
            "PUT /api/accounts/7/entities/9",
            r#"{"name":"lan0","entity_type":"interface","details":{"snmp_index":"2"}}"#,
        ),
        (delete(), 9, "DELETE /api/accounts/7/entities/9", ""),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(api.write_entity(ACCOUNT, &write).await.unwrap(), EntityId::new(id));
        let request = server.request(index);
        assert!(request.starts_with(&format!("{line}?b={escaped} HTTP/1.1\r\n")), "{request}");
        assert_eq!(request.split_once("\r\n\r\n").unwrap().1, body);
        assert_eq!(request.contains("content-type: application/json"), !body.is_empty());
    }
    let mut out = MetricsText::default();
    api.write_metrics(&mut out);
    assert!(out.as_str().contains("grafolean_requests_total{kind=\"entity_writes\",status=\"2xx\"} 3"));
}

#[tokio::test]
async fn an_entity_counts_as_written_by_the_backends_own_answer_only() {
    let html = "<html><title>Sign in</title></html>";
    for (write, status, body, expected) in [
        (create(), "201 Created", "{}", "cannot read the answer: id: missing"),
        (create(), "200 OK", r#"{"id":12}"#, "cannot read the answer: its status is 200 instead of 201"),
        (
            update(),
            "200 OK",
            html,
            "cannot read the answer: its status is 200 instead of 204: an HTML page (Sign in), not JSON: is \
             BACKEND_URL right? It has to include /api",
        ),
        (
            update(),
            "404 Not Found",
            r#"{"detail":"No such entity"}"#,
            "the backend answered 404: No such entity",
        ),
        (create(), "404 Not Found", "", "the backend answered 404"),
        (create(), "400 Bad Request", r#"{"detail":"a\nb"}"#, "the backend answered 400: a b"),
        (delete(), "403 Forbidden", TOKEN, "the backend answered 403: [token]"),
        (delete(), "500 Internal Server Error", "", "the backend answered 500"),
    ] {
        let server = Server::always(status, "", body).await;
        let error = server.api().write_entity(ACCOUNT, &write).await.unwrap_err();
        let text = text(&error);
        assert_eq!(text.split_once(": ").unwrap().1, expected);
    }
    let server = Server::always("404 Not Found", "", r#"{"detail":"No such entity"}"#).await;
    assert!(server.api().write_entity(ACCOUNT, &delete()).await.is_ok(), "gone is gone");
}

/// A clock that stands where it was put.
struct Standing(AtomicI64);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn the_clocks_are_compared() {
    let server = Server::always("200 OK", "date: Tue, 14 Nov 2023 22:13:20 GMT\r\n", "{}").await;
    let clock = Arc::new(Standing(AtomicI64::new(1_700_000_000)));
    let api = api(&server.url, Limits::default(), clock.clone());
    assert_eq!(api.clock_skew(), None);
    for (ours, skew, said) in
        [(0, 0.5, false), (-10, 10.5, true), (-4, 4.5, true), (0, 0.5, false), (30, -29.5, true)]
    {
        clock.0.store(1_700_000_000 + ours, Ordering::Relaxed);
        api.get(Resource::Status).await.unwrap();
        let seen = api.clock_skew().unwrap();
        assert!((seen - skew).abs() < 0.4, "{seen} instead of {skew}");
        assert_eq!(api.exchange.skew.was_said(), said, "at {ours}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_kind_and_end() {
    let server = Server::start(|request| {
        let status = if request.contains("status/info") { "200 OK" } else { "503 Busy" };
        (response(status, "", b"{}"), Then::Next)
    })
    .await;
    let api = server.api();
    api.get(Resource::Status).await.unwrap();
    api.get(Resource::Status).await.unwrap();
    get(&api).await;
    let mut out = MetricsText::default();
    api.write_metrics(&mut out);
    for line in [
        "grafolean_requests_total{kind=\"status\",status=\"2xx\"} 2",
        "grafolean_requests_total{kind=\"accounts\",status=\"5xx\"} 1",
        "grafolean_request_duration_seconds_count{kind=\"status\"} 2",
    ] {
        assert!(out.as_str().lines().any(|found| found == line), "no {line} in\n{}", out.as_str());
    }
}

#[test]
fn an_address_that_cannot_be_used_is_told_without_its_password() {
    for (url, expected) in [
        ("grafolean.example.org/api", "not an address (relative URL without a base): "),
        ("ftp://u:hunter2@x/", "it begins with neither http:// nor https://: "),
        ("http://u:hunter2@x/api?b=1", "it has a ? or # part: "),
    ] {
        assert_eq!(base_url(url).unwrap_err(), format!("{expected}{EXPECTED}"));
    }
}

#[test]
fn proxies_are_not_asked_for_this_machine() {
    for (url, loopback) in [
        ("http://localhost:5000/api", true),
        ("http://127.3.2.1/api", true),
        ("http://[::1]/api", true),
        ("http://10.0.0.1/api", false),
        ("https://localhost.example.org/api", false),
    ] {
        assert_eq!(is_loopback(&reqwest::Url::parse(url).unwrap()), loopback, "{url}");
    }
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn a_strict_backend_and_this_client_understand_each_other() {
    use crate::context::Context;
    use crate::protocol::Protocol;
    use crate::testing::FakeBackend;

    #[derive(serde::Deserialize, Clone)]
    struct Credential {
        n_packets: u32,
    }
    struct Ping;
    impl Protocol for Ping {
        const SLUG: &'static str = "ping";
        type Credential = Credential;
        type Sensor = ();
    }

    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    let credential = backend.add_credential(account, "ping", serde_json::json!({"n_packets": "3"}));
    let sensor = backend.add_sensor(account, "ping", Some(60), serde_json::json!({}));
    let device = backend.device(account, "localhost").protocol("ping", credential, &[sensor]).add();
    let account = AccountId::new(account);
    let api = |mode| {
        let clock = Arc::new(crate::clock::SystemClock);
        HttpApi::new(&backend.url(), Token::new(backend.token()), mode, clock).unwrap()
    };

    let put = api(DeliveryMode::Put);
    assert_eq!(wire::status(&put).await.unwrap().ready, Ok(()));
    backend.set_migration_needed(true);
    assert_eq!(wire::status(&put).await.unwrap().ready, Err("database migration needed".to_owned()));
    backend.set_migration_needed(false);
    let profile = wire::profile(&put).await.unwrap();
    assert_eq!(&*profile.user_type, "bot");
    put.may_store(account).await.unwrap();

    let time = put.exchange.clock.now();
    let samples = [Sample { path: Path::new("a.b").unwrap(), value: 1.5, time }];
    put.store(account, &samples).await.unwrap();
    put.store(account, &samples).await.unwrap();
    assert_eq!(backend.values(account.get())["a.b"], [(time.as_secs_f64(), 1.5)]);
    api(DeliveryMode::Post).store(account, &samples).await.unwrap();
    assert_eq!(backend.values(account.get())["a.b"].len(), 2);
    assert!(put.clock_skew().is_some_and(|skew| skew.abs() < 3.0));

    let content = |name| crate::EntityContent::new(name, "interface", serde_json::Map::new());
    let write = EntityWrite::Create { parent: Some(EntityId::new(device)), content: content("eth0") };
    let id = put.write_entity(account, &write).await.unwrap();
    let update = EntityWrite::Update { id, content: content("lan0") };
    assert_eq!(put.write_entity(account, &update).await.unwrap(), id);
    for _ in 0..2 {
        assert_eq!(put.write_entity(account, &EntityWrite::Delete { id }).await.unwrap(), id);
    }
    let error = put.write_entity(account, &update).await.unwrap_err();
    assert_eq!(error.status(), Some(404));

    backend.clear_requests();
    let cx = Context::new(Arc::new(put)).of_user(profile.user_id);
    let entities = cx.fetch::<Ping>().await.unwrap();
    assert_eq!((entities.len(), entities[0].id.get(), entities[0].credential.n_packets), (1, device, 3));
    assert_eq!(backend.request_count(), 4);

    backend.on("/entities").html_instead_of_json(1);
    backend.on("/sensors").half_answers(1);
    assert_eq!(cx.fetch::<Ping>().await.unwrap().len(), 1);
    assert_eq!(cx.configs.report().failed.len(), 1);
    backend.revoke(backend.token());
    let error = cx.api.may_store(account).await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(!format!("{error:?}").contains(backend.token()));
}

/// An ear, and what it heard.
fn ear() -> (OnChange, tokio::sync::mpsc::UnboundedReceiver<Change>) {
    let (sender, heard) = tokio::sync::mpsc::unbounded_channel();
    (Arc::new(move |change| drop(sender.send(change))), heard)
}

#[tokio::test]
async fn changes_are_told_one_by_one_as_they_come_until_the_stream_ends() {
    let events = "event: hello\ndata: {}\n\n: alive\n\nevent: changed\ndata: {\"topic\":\"accounts/7/sensors\",\"id\":3}\n\nevent: lost\ndata: {}\n\nevent: unfinished";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";
    let server = Server::start(move |_| (format!("{head}{events}").into_bytes(), Then::Close)).await;
    let (heard, mut told) = ear();
    server.api().follow_changes(heard).await.unwrap();
    let request = server.request(0);
    assert!(request.starts_with("GET /api/changes?b="), "{request}");
    assert!(request.contains("accept: text/event-stream") && request.contains("accept-encoding: identity"));
    let change = Change::Of { topic: "accounts/7/sensors".into(), id: Some(3) };
    for expected in [Change::Began, change, Change::Lost] {
        assert_eq!(told.recv().await, Some(expected));
    }
    assert_eq!(told.recv().await, None);
}

#[tokio::test]
async fn what_is_no_stream_of_changes_is_said_to_be_none() {
    for (status, header, body, error) in [
        ("200 OK", "", "<html>", "GET changes: cannot read the answer: it is no stream of events"),
        ("404 Not Found", "", "", "GET changes: this backend does not offer it"),
        ("403 Forbidden", "", "no", "GET changes: the backend answered 403: no"),
    ] {
        let server = Server::always(status, header, body).await;
        assert_eq!(text(&server.api().follow_changes(ear().0).await.unwrap_err()), error);
    }
}

#[tokio::test]
async fn a_stream_that_is_silent_for_too_long_is_given_up() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: hello\ndata: {}\n\n";
    let server = Server::start(move |_| (head.into(), Then::Hang)).await;
    let limits = Limits { stream_silence: Duration::from_millis(100), ..Limits::default() };
    let error = server.api_with(limits).follow_changes(ear().0).await.unwrap_err();
    assert_eq!(text(&error), "GET changes: no answer within 100ms");
}

#[cfg(feature = "testing")]
#[tokio::test(flavor = "multi_thread")]
async fn the_fake_backend_tells_changes_at_once_to_those_who_may_know() {
    let backend = crate::testing::FakeBackend::start().await;
    let (first, second) = (backend.add_account("first"), backend.add_account("second"));
    backend.restrict_bot(backend.token(), &[second]);
    let api = HttpApi::new(
        &backend.url(),
        Token::new(backend.token()),
        DeliveryMode::Put,
        Arc::new(crate::clock::SystemClock),
    );
    let api = Arc::new(api.unwrap());
    let error = api.follow_changes(ear().0).await.unwrap_err();
    assert!(matches!(error, ApiError::NotOffered { .. }), "{error}");
    backend.offer_changes();
    let (heard, mut told) = ear();
    let listening = tokio::spawn(async move { api.follow_changes(heard).await });
    assert_eq!(told.recv().await, Some(Change::Began));
    backend.device(first, "not seen").add();
    let device = backend.device(second, "seen").add();
    let topic = format!("accounts/{second}/entities").into();
    let next = tokio::time::timeout(Duration::from_secs(20), told.recv()).await.unwrap();
    assert_eq!(next, Some(Change::Of { topic, id: Some(device) }));
    backend.end_streams();
    listening.await.unwrap().unwrap();
}

#[tokio::test]
async fn problems_are_reported_without_the_token() {
    let server = Server::always("204 No Content", "", "").await;
    let error = format!("no answer to ?b={TOKEN}");
    let problem = Problem::new(ACCOUNT, EntityId::new(5), "snmp", Timestamp::from_secs(1), &error);
    server.api().report_problems(&[problem]).await.unwrap();
    let request = server.request(0);
    assert!(request.starts_with("PUT /api/profile/problems?b="));
    let body = r#"{"list":[{"account":7,"entity":5,"protocol":"snmp","since":1.0,"error":"no answer to ?b=[token]"}]}"#;
    assert!(request.ends_with(body), "{request}");
    let server = Server::always("404 Not Found", "", "").await;
    let error = server.api().report_problems(&[]).await.unwrap_err();
    assert!(matches!(error, ApiError::NotOffered { .. }), "{error}");
}
