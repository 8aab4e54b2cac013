//! The page: a few files that are part of the program.

use std::{collections::HashMap, sync::OnceLock};

use bytes::Bytes;
use flate2::Compression;
use hyper::{
    Method, StatusCode,
    header::{ALLOW, CONTENT_SECURITY_POLICY, HeaderValue},
};

use crate::{
    auth::secret,
    http::{Answer, Refusal, answer::gzip},
};

/// Nothing is loaded from anywhere else, and nobody may put the page into another one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A file of the page.
struct Asset {
    kind: &'static str,
    bytes: Bytes,
    /// Compressed once, when somebody asks for it first.
    packed: OnceLock<Bytes>,
    etag: Option<HeaderValue>,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        /// Each file with its bytes.
        static FILES: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("assets/", $name)))),*];
    };
}

// Every file in `assets/`: a test compares the two.
assets![
    "api.js",
    "app.js",
    "chart_options.js",
    "charts.js",
    "clock.js",
    "dom.js",
    "early.js",
    "format.js",
    "forms.js",
    "icon.svg",
    "index.html",
    "live.js",
    "ranges.js",
    "router.js",
    "series.js",
    "session.js",
    "shell.js",
    "snmp_check.js",
    "sparkline.js",
    "style/base.css",
    "style/parts.css",
    "style/views.css",
    "theme.js",
    "ui.js",
    "vendor/uplot.css",
    "vendor/uplot.js",
    "views/admin/accounts.js",
    "views/admin/bots.js",
    "views/admin/credential_form.js",
    "views/admin/credentials.js",
    "views/admin/index.js",
    "views/admin/people.js",
    "views/admin/permissions.js",
    "views/admin/records.js",
    "views/admin/sensor_form.js",
    "views/admin/sensors.js",
    "views/admin/usage.js",
    "views/device.js",
    "views/device_charts.js",
    "views/device_edit.js",
    "views/device_interfaces.js",
    "views/device_model.js",
    "views/device_protocol.js",
    "views/device_sensors.js",
    "views/explore.js",
    "views/explore_names.js",
    "views/explore_search.js",
    "views/login.js",
    "views/overview.js",
    "views/overview_list.js",
    "views/overview_model.js",
    "views/passwords.js",
    "views/profile.js",
    "views/protocols.js",
    "views/setup.js",
    "views/traffic.js",
    "views/traffic_panel.js",
];

fn assets() -> &'static HashMap<&'static str, Asset> {
    static ASSETS: OnceLock<HashMap<&'static str, Asset>> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let asset = |&(name, bytes): &(&'static str, &'static [u8])| {
            let hash = secret::hex(&secret::hash_bytes(bytes));
            let etag = HeaderValue::try_from(format!("W/\"{}\"", hash.get(..24).unwrap_or(&hash))).ok();
            let packed = OnceLock::new();
            (name, Asset { kind: kind(name), bytes: Bytes::from_static(bytes), packed, etag })
        };
        FILES.iter().map(asset).collect()
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

/// Answers with a file of the page; the browser keeps it, and asks each time whether it is still the same.
pub(crate) fn answer(method: &Method, path: &str) -> Answer {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let Some(asset) = assets().get(name) else {
        return Refusal::not_found("Not Found").into();
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let refusal = Refusal::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        return refusal.with_header(ALLOW, HeaderValue::from_static("GET")).into();
    }
    let packed = asset.packed.get_or_init(|| gzip(std::slice::from_ref(&asset.bytes), Compression::best()));
    let answer = Answer::packed(asset.kind, asset.bytes.clone(), packed.clone())
        .with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    asset.etag.iter().fold(answer, |answer, etag| answer.with_etag(etag.clone()))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    fn files(dir: &Path, prefix: &str, all: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                files(&entry.path(), &format!("{name}/"), all);
            } else {
                all.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_part_of_the_program() {
        let mut there = BTreeSet::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui/assets"), "", &mut there);
        // Licences of others stand beside their files, and are not served.
        there.retain(|name| !name.ends_with(".txt") && !name.ends_with(".md"));
        let embedded: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(embedded, there);
    }

    #[test]
    fn only_files_of_the_page_are_served() {
        assert_eq!(answer(&Method::GET, "/").status, StatusCode::OK);
        for other in ["/../Cargo.toml", "/assets/index.html", "/x"] {
            assert_eq!(answer(&Method::GET, other).status, StatusCode::NOT_FOUND, "{other}");
        }
        assert_eq!(answer(&Method::POST, "/").status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
