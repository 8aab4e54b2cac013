//! Packets of some thirty vendors, against what independent decoders found in them.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::path::Path;
use std::sync::Arc;

use grafolean_netflow_bot::books::{Books, ExporterBooks, Malformed};
use grafolean_netflow_bot::decode::Decoder;
use grafolean_netflow_bot::{Direction, Flow, Ip};
use grafoleancollector::Timestamp;
use serde_json::Value;

const EXPORTER: Ip = Ip::v4(0xc000_0201);

/// What was found in a set of captures.
struct Found {
    flows: Vec<Flow>,
    books: Arc<ExporterBooks>,
}

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn decode<'a>(files: impl IntoIterator<Item = &'a str>) -> Found {
    let books = Arc::new(Books::default());
    let mut decoder = Decoder::new(Arc::clone(&books));
    let mut flows = Vec::new();
    for (file, second) in files.into_iter().zip(1_700_000_000..) {
        let datagram = std::fs::read(data().join(file)).unwrap();
        decoder.datagram(Timestamp::from_secs(second), EXPORTER, &datagram, &mut |_, more| {
            flows.extend_from_slice(more);
        });
    }
    decoder.flush();
    Found { flows, books: books.of(EXPORTER).unwrap() }
}

/// As the first records are written in `expected.jsonl`.
fn in_short(flow: &Flow) -> String {
    let family = if flow.src.to_addr().is_ipv4() { "v4" } else { "v6" };
    let direction = match flow.direction {
        Direction::Unknown => -1,
        Direction::Ingress => 0,
        Direction::Egress => 1,
    };
    let Flow { src, dst, bytes, packets, input, output, sampling, src_port, dst_port, protocol, .. } = flow;
    format!(
        "{family} {src}:{src_port}->{dst}:{dst_port} p{protocol} if{input}/{output} dir{direction} \
         b{bytes} k{packets} s{sampling}"
    )
}

/// Where we differ from what is in `expected.jsonl`, and why.
fn rather(set: &str, what: &str) -> Option<u64> {
    Some(match (set, what) {
        // Several packets of a stream in one file. As a datagram, it is the first of them with something behind it:
        // that is counted, and nothing in it is believed. nfdump reads on (30 flows), tshark does not (2).
        ("logstash/netflow-5-valid-01" | "logstash/ipfix", "malformed") => 1,
        // Records of egress have zero in IN_BYTES and IN_PKTS, and their traffic in OUT_BYTES and OUT_PKTS (23, 24).
        // nfdump takes neither (64 octets, 2 packets), the decoder behind the file only the packets.
        ("logstash/netflow-9-template-with-0-length-fields", "octets") => 160,
        // The file counts without the sets that came before their template, and we read those.
        ("pynetflow/v9-mixed", "octets") => 164_207,
        ("pynetflow/v9-mixed", "packets") => 208,
        _ => return None,
    })
}

#[test]
fn every_capture_gives_what_independent_decoders_found_in_it() {
    let expected = std::fs::read_to_string(data().join("expected.jsonl")).unwrap();
    let (mut sets, mut wrong) = (0, Vec::new());
    for line in expected.lines() {
        let set: Value = serde_json::from_str(line).unwrap();
        // Those of sFlow have samples instead.
        if set.get("data_records").is_none() {
            continue;
        }
        sets += 1;
        let name = set["group"].as_str().unwrap();
        let Found { flows, books } =
            decode(set["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()));
        let options_templates = books.options_templates_received.get();
        for (what, is) in [
            ("data_records_with_pending_replay", flows.len() as u64),
            ("octets", flows.iter().map(|flow| flow.bytes).sum()),
            ("packets", flows.iter().map(|flow| flow.packets).sum()),
            ("options_records", books.options_records.get()),
            ("templates", books.templates_received.get() - options_templates),
            ("options_templates", options_templates),
            ("sets_without_template", books.sets_without_template.get()),
            ("malformed", Malformed::ALL.iter().map(|why| books.malformed(*why).get()).sum()),
        ] {
            let expected = rather(name, what).or(set[what].as_u64());
            if expected != Some(is) {
                wrong.push(format!("{name}: {what} {is} instead of {expected:?}"));
            }
        }
        for (first, flow) in set["first"].as_array().into_iter().flatten().zip(&flows) {
            let short = in_short(flow);
            // The traffic of this record is in OUT_BYTES: see above.
            let expected = first.as_str().unwrap();
            let expected = match name {
                "logstash/netflow-9-template-with-0-length-fields" => expected.replace("b0 k1", "b32 k1"),
                _ => expected.to_owned(),
            };
            if short != expected {
                wrong.push(format!("{name}: {short} instead of {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(sets, 35);
}
