//! What is answered: a status, a body, and the few headers that depend on the request.

use std::{convert::Infallible, io::Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    body::Frame,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName,
        HeaderValue, IF_NONE_MATCH, VARY,
    },
};
use serde::Serialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

/// Answers below this are not compressed: they fit into one packet anyway.
const GZIP_FROM: usize = 1_400;

/// Answers from here on are compressed on a thread that may block: it takes milliseconds.
const GZIP_ASIDE_FROM: usize = 256 << 10;

/// The body as hyper wants it.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer that a handler made.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    content_type: &'static str,
    etag: Option<HeaderValue>,
    headers: Vec<(HeaderName, HeaderValue)>,
    content: Content,
    /// Its part of the memory for answers, until it is sent.
    room: Option<OwnedSemaphorePermit>,
}

enum Content {
    Nothing,
    Whole(Bytes),
    /// As it is, and compressed.
    Packed(Bytes, Bytes),
    /// A large list, in pieces that were made one after the other.
    Pieces(Vec<Bytes>),
    /// Written as things happen; never compressed, so that each piece is on its way at once.
    Live(Body),
}

impl Answer {
    fn new(status: StatusCode, content_type: &'static str, content: Content) -> Self {
        Self { status, content_type, etag: None, headers: Vec::new(), content, room: None }
    }

    /// 204.
    pub(crate) fn done() -> Self {
        Self::new(StatusCode::NO_CONTENT, "", Content::Nothing)
    }

    pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Content::Whole(text.into()))
    }

    pub(crate) fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Self {
        // Our own types and `Value`s become JSON without fail; an empty body would be seen at once.
        Self::json_bytes(status, serde_json::to_vec(value).unwrap_or_default())
    }

    pub(crate) fn ok<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::json(StatusCode::OK, value)
    }

    pub(crate) fn created<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::json(StatusCode::CREATED, value)
    }

    /// Bytes that are JSON already.
    pub(crate) fn json_bytes(status: StatusCode, bytes: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", Content::Whole(bytes.into()))
    }

    /// Pieces that are JSON together.
    pub(crate) fn json_pieces(pieces: Vec<Bytes>) -> Self {
        Self::new(StatusCode::OK, "application/json", Content::Pieces(pieces))
    }

    /// Bytes that are there in both forms.
    pub(crate) fn packed(content_type: &'static str, bytes: Bytes, packed: Bytes) -> Self {
        Self::new(StatusCode::OK, content_type, Content::Packed(bytes, packed))
    }

    pub(crate) fn live(content_type: &'static str, body: Body) -> Self {
        Self::new(StatusCode::OK, content_type, Content::Live(body))
    }

    pub(crate) fn not_modified(etag: HeaderValue) -> Self {
        Self::new(StatusCode::NOT_MODIFIED, "", Content::Nothing).with_etag(etag)
    }

    #[must_use]
    pub(crate) fn with_etag(mut self, etag: HeaderValue) -> Self {
        self.etag = Some(etag);
        self
    }

    /// Keeps its part of the memory for answers as long as it is there.
    #[must_use]
    pub(crate) fn holding(mut self, room: OwnedSemaphorePermit) -> Self {
        self.room = Some(room);
        self
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The response: compressed where the client takes that, without a body where it asked for the head
    /// only or has the same already.
    pub(crate) async fn into_response(mut self, method: &Method, asked: &HeaderMap) -> Response<Body> {
        if let Some(etag) = self.etag.as_ref().filter(|_| self.status == StatusCode::OK)
            && holds_etag(asked, etag)
        {
            self.status = StatusCode::NOT_MODIFIED;
            self.content = Content::Nothing;
        }
        let mut headers = HeaderMap::with_capacity(12);
        let mut body = empty();
        let has_body = !matches!(self.content, Content::Nothing);
        let gzip = takes_gzip(asked) && compresses(self.content_type);
        match self.content {
            Content::Nothing => {}
            Content::Live(live) => body = live,
            Content::Whole(bytes) => {
                let bytes = match bytes {
                    bytes if gzip && bytes.len() >= GZIP_FROM => {
                        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                        compressed(vec![bytes]).await
                    }
                    bytes => bytes,
                };
                headers.insert(CONTENT_LENGTH, bytes.len().into());
                body = Full::new(bytes).boxed_unsync();
            }
            Content::Packed(plain, packed) => {
                let is_packed = gzip && packed.len() < plain.len();
                if is_packed {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                let bytes = if is_packed { packed } else { plain };
                headers.insert(CONTENT_LENGTH, bytes.len().into());
                body = Full::new(bytes).boxed_unsync();
            }
            Content::Pieces(pieces) => {
                let length = pieces.iter().map(Bytes::len).sum::<usize>();
                if gzip && length >= GZIP_FROM {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                    let bytes = compressed(pieces).await;
                    headers.insert(CONTENT_LENGTH, bytes.len().into());
                    body = Full::new(bytes).boxed_unsync();
                } else {
                    headers.insert(CONTENT_LENGTH, length.into());
                    let room = self.room;
                    let frames = pieces.into_iter().map(move |piece| {
                        let _held = &room;
                        Ok(Frame::data(piece))
                    });
                    body = StreamBody::new(stream::iter(frames)).boxed_unsync();
                }
            }
        }
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if let Some(etag) = self.etag {
            headers.insert(ETAG, etag);
            // To be kept by the client, and asked for again each time.
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        } else {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        for (name, value) in self.headers {
            // A cookie may come several times; everything else replaces what stands there.
            if name == hyper::header::SET_COOKIE {
                headers.append(name, value);
            } else {
                headers.insert(name, value);
            }
        }
        if method == Method::HEAD {
            body = empty();
        }
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

fn empty() -> Body {
    Empty::new().boxed_unsync()
}

fn compresses(content_type: &str) -> bool {
    content_type.starts_with("text/")
        || content_type.starts_with("application/json")
        || content_type == "image/svg+xml"
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    asked
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            let refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            matches!(name.trim(), "gzip" | "*") && !refused
        })
}

/// Whether the client said that it has this very content.
pub(crate) fn holds_etag(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(ours) = etag.to_str().map(opaque) else { return false };
    asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|theirs| theirs.trim() == "*" || opaque(theirs) == ours)
}

async fn compressed(pieces: Vec<Bytes>) -> Bytes {
    let length = pieces.iter().map(Bytes::len).sum::<usize>();
    let work = move || gzip(&pieces, Compression::fast());
    if length < GZIP_ASIDE_FROM {
        return work();
    }
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

/// The pieces as one, compressed.
pub(crate) fn gzip(pieces: &[Bytes], level: Compression) -> Bytes {
    let length = pieces.iter().map(Bytes::len).sum::<usize>();
    let mut encoder = GzEncoder::new(Vec::with_capacity(length / 8), level);
    for piece in pieces {
        // Writing to memory does not fail; if it did, the client would see a broken body, as it should.
        let _ = encoder.write_all(piece);
    }
    Bytes::from(encoder.finish().unwrap_or_default())
}

/// Why a request is not done. Its text is for who asked, and holds no secret.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    text: String,
    is_plain: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// `{"detail": …}`, as nearly all refusals are.
    pub(crate) fn detail(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, text: detail.into(), is_plain: false, headers: Vec::new() }
    }

    pub(crate) fn plain(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), is_plain: true, headers: Vec::new() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::detail(StatusCode::BAD_REQUEST, detail)
    }

    /// 400 as plain text, as bodies that do not hold what they should are refused.
    pub(crate) fn invalid(why: impl AsRef<str>) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, format!("Input validation failed: {}", why.as_ref()))
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::detail(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::detail(StatusCode::FORBIDDEN, detail)
    }

    /// Who asks is nobody that is known.
    pub(crate) fn access_denied() -> Self {
        Self::plain(StatusCode::UNAUTHORIZED, "Access denied")
    }

    /// Who asks is known, and may not.
    pub(crate) fn not_granted() -> Self {
        Self::plain(StatusCode::FORBIDDEN, "Access to resource denied, insufficient permissions")
    }

    /// Something is wrong here, not with the request; the log says what.
    pub(crate) fn internal() -> Self {
        Self::detail(StatusCode::INTERNAL_SERVER_ERROR, "the hub could not do this; its log says more")
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    #[must_use]
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.with_header(hyper::header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let Refusal { status, text, is_plain, headers } = refusal;
        let mut answer =
            if is_plain { Self::text(status, text) } else { Self::json(status, &json!({ "detail": text })) };
        answer.headers = headers;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[tokio::test]
    async fn large_json_is_compressed_for_who_takes_it() {
        let json = format!("[{}1]", "1,".repeat(5_000));
        let answer = |json: &str| Answer::json_bytes(StatusCode::OK, json.to_owned());
        let asked = headers(&[(ACCEPT_ENCODING, "br, gzip;q=0.5")]);
        let response = answer(&json).into_response(&Method::GET, &asked).await;
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let mut plain = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut plain).unwrap();
        assert_eq!(plain, json);
        for refused in ["gzip;q=0", "identity", ""] {
            let asked = headers(&[(ACCEPT_ENCODING, refused)]);
            let response = answer(&json).into_response(&Method::GET, &asked).await;
            assert!(!response.headers().contains_key(CONTENT_ENCODING), "{refused}");
        }
    }

    #[tokio::test]
    async fn who_holds_the_same_content_is_told_so_without_it() {
        let etag = HeaderValue::from_static("W/\"a1\"");
        for (held, status) in [("\"b\", W/\"a1\"", 304), ("\"a1\"", 304), ("*", 304), ("\"a\"", 200)] {
            let asked = headers(&[(IF_NONE_MATCH, held)]);
            let answer = Answer::ok("x").with_etag(etag.clone());
            let response = answer.into_response(&Method::GET, &asked).await;
            assert_eq!(response.status(), status, "{held}");
            assert_eq!(response.headers()[ETAG], etag);
        }
    }

    #[tokio::test]
    async fn the_head_of_an_answer_says_how_long_its_body_would_be() {
        let response = Answer::ok("abc").into_response(&Method::HEAD, &HeaderMap::new()).await;
        assert_eq!(response.headers()[CONTENT_LENGTH], "5");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}
