//! BACKEND_URL: what it has to be, and how it is shown.

use reqwest::Url;

/// Reads BACKEND_URL. An error never shows it: it may hold a password.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("expected a URL that begins with http:// or https://, not {}:", url.scheme()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without ? and #".to_owned());
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
