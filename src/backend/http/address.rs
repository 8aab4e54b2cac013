//! BACKEND_URL: what it has to be, and how it is shown.

use reqwest::Url;

/// What BACKEND_URL should have been.
pub(crate) const EXPECTED: &str = "expected the API's address, such as https://grafolean.example.org/api";

/// Reads BACKEND_URL. An error never shows it: it may hold a password.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("not an address ({error}): {EXPECTED}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("it begins with neither http:// nor https://: {EXPECTED}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("it has a ? or # part: {EXPECTED}"));
    }
    Ok(url)
}

/// A URL as it may be stored and shown: without a password, and without a slash at the end.
pub(crate) fn shown_url(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}
