//! Answers of all kinds, mutated: whatever a device sends, nothing panics, and what is believed is in order.
//!
//! ```text
//! cargo test --release -p grafolean-snmp-bot --test mutated_replies -- --ignored --nocapture      20 million
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "these are tests, helpers included"
)]

mod support;

use std::net::Ipv4Addr;
use std::thread;

use grafolean_snmp_bot::fuzzing::{Replies, Version};
use support::ber::{INTEGER, NULL, OCTETS, RESPONSE, SEQUENCE, Var, oid, tlv, wrap};

const REPORT: u8 = 0xa8;
/// As in [`Replies::ENGINE_REPORT`].
const ENGINE: [u8; 5] = [0x80, 0, 0x1f, 0x88, 4];

#[test]
fn whatever_a_device_answers_nothing_panics() {
    assert!(mutate_and_poll(20_000) > 0);
}

#[test]
#[ignore = "takes minutes"]
fn whatever_a_device_answers_twenty_million_times() {
    let believed = mutate_and_poll(20_000_000);
    eprintln!("20,000,000 answers, of which values came {believed} times");
}

/// Polls devices that answer with so many mutated datagrams. Returns how often values came of it.
fn mutate_and_poll(datagrams: u64) -> u64 {
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let run = |thread: u64| {
        thread::spawn(move || {
            let (replies, seeds) = (Replies::new().unwrap(), seeds());
            let share = (0..datagrams).skip(thread as usize).step_by(threads as usize);
            let polled = share.filter(|n| {
                let mut random = Random(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let (mut version, datagram) = random.mutate(&seeds);
                if random.below(8) == 0 {
                    version = Version::ALL[random.below(Version::ALL.len())];
                }
                // SNMPv3 asks for the engine first.
                let discovered = version > Version::V2c && random.below(4) > 0;
                let answers = [&Replies::ENGINE_REPORT[..], &datagram];
                replies.poll(version, if discovered { &answers } else { &answers[1..] }) > 0
            });
            polled.count() as u64
        })
    };
    let threads: Vec<_> = (0..threads).map(run).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

/// Without any mutation, each of them is believed: the mutated ones are near to something.
#[test]
fn values_come_of_the_answers_that_are_mutated() {
    let replies = Replies::new().unwrap();
    let [gets, walked] = [scalars(), table()];
    assert_eq!(replies.poll(Version::V1, &[&community(0, 0, 0, &gets)]), 7);
    assert_eq!(replies.poll(Version::V2c, &[&community(1, 0, 0, &gets)]), 7);
    assert!(replies.poll(Version::V2c, &[&community(1, 0, 0, &walked)]) >= 48);
    assert_eq!(replies.poll(Version::V3, &[&Replies::ENGINE_REPORT, &user("nobody", 0, RESPONSE, &gets)]), 7);
    assert_eq!(replies.poll(Version::V3, &[&user("nobody", 0, RESPONSE, &gets)]), 0);
    assert_eq!(
        replies.poll(Version::V3Encrypted, &[&Replies::ENGINE_REPORT, &user("somebody", 3, RESPONSE, &gets)]),
        0
    );
}

type Bindings = Vec<(Vec<u32>, Option<Var>)>;

/// The system group, with all types of values in it.
fn scalars() -> Bindings {
    let vars = [
        Var::text("a switch"),
        Var::Object(vec![1, 3, 6, 1, 4, 1, 9]),
        Var::TimeTicks(123_456),
        Var::Float(23.5),
        Var::Counter64(u64::MAX),
        Var::Address(Ipv4Addr::LOCALHOST),
        Var::Integer(-129),
    ];
    (1..).zip(vars).map(|(n, var)| (vec![1, 3, 6, 1, 2, 1, 1, n, 0], Some(var))).collect()
}

/// Two columns of 24 rows, and what comes after them.
fn table() -> Bindings {
    let cell = |column, row, var| (vec![1, 3, 6, 1, 2, 1, 2, 2, 1, column, row], Some(var));
    let rows = (1..=25).flat_map(|row| match row {
        25 => [cell(3, 1, Var::Integer(6)), cell(11, 1, Var::Counter32(7))],
        _ => [cell(2, row, Var::text("eth")), cell(10, row, Var::Counter32(row * 1_000))],
    });
    rows.collect()
}

fn absent(bindings: Bindings) -> Bindings {
    bindings.into_iter().map(|(oid, _)| (oid, None)).collect()
}

/// Answers, with how a device is asked that gives such ones.
fn seeds() -> Vec<(Version, Vec<u8>)> {
    vec![
        (Version::V1, community(0, 0, 0, &scalars())),
        (Version::V1, community(0, 2, 3, &absent(scalars()))),
        (Version::V2c, community(1, 0, 0, &scalars())),
        (Version::V2c, community(1, 0, 0, &table())),
        (Version::V2c, community(1, 0, 0, &absent(table()))),
        (Version::V2c, community(1, 1, 0, &absent(scalars()))),
        (Version::V2c, community(1, 5, 2, &absent(scalars()))),
        (Version::V3, user("nobody", 0, RESPONSE, &scalars())),
        (Version::V3, user("nobody", 0, RESPONSE, &table())),
        (Version::V3Encrypted, user("somebody", 3, RESPONSE, &scalars())),
        (Version::V3, report(1)),
        (Version::V3Encrypted, report(2)),
        (Version::V3, report(4)),
        (Version::V3Encrypted, report(5)),
    ]
}

fn integer(value: i32, out: &mut Vec<u8>) {
    Var::Integer(value).encode(Ipv4Addr::LOCALHOST, out);
}

fn pdu(tag: u8, status: i32, index: i32, bindings: &Bindings, out: &mut Vec<u8>) {
    wrap(tag, out, |out| {
        [Replies::REQUEST_ID, status, index].into_iter().for_each(|value| integer(value, out));
        wrap(SEQUENCE, out, |out| {
            for (object, var) in bindings {
                wrap(SEQUENCE, out, |out| {
                    oid(object, out);
                    match var {
                        Some(var) => var.encode(Ipv4Addr::LOCALHOST, out),
                        None => tlv(NULL, &[], out),
                    }
                });
            }
        });
    });
}

fn community(version: u8, status: i32, index: i32, bindings: &Bindings) -> Vec<u8> {
    let mut out = Vec::new();
    wrap(SEQUENCE, &mut out, |out| {
        tlv(INTEGER, &[version], out);
        tlv(OCTETS, b"public", out);
        pdu(RESPONSE, status, index, bindings, out);
    });
    out
}

/// An SNMPv3 message. Where the flags say that it is encrypted, it only looks so.
fn user(name: &str, flags: u8, tag: u8, bindings: &Bindings) -> Vec<u8> {
    let mut out = Vec::new();
    wrap(SEQUENCE, &mut out, |out| {
        integer(3, out);
        wrap(SEQUENCE, out, |out| {
            [Replies::REQUEST_ID, 65_507].into_iter().for_each(|value| integer(value, out));
            tlv(OCTETS, &[flags], out);
            integer(3, out);
        });
        wrap(OCTETS, out, |out| {
            wrap(SEQUENCE, out, |out| {
                tlv(OCTETS, &ENGINE, out);
                [1, 100].into_iter().for_each(|value| integer(value, out));
                let (digest, salt) =
                    if flags == 0 { (&[][..], &[][..]) } else { (&[7; 12][..], &[7; 8][..]) };
                [name.as_bytes(), digest, salt].into_iter().for_each(|text| tlv(OCTETS, text, out));
            });
        });
        let tag_of_scoped = if flags & 2 == 0 { SEQUENCE } else { OCTETS };
        wrap(tag_of_scoped, out, |out| {
            tlv(OCTETS, &ENGINE, out);
            tlv(OCTETS, &[], out);
            pdu(tag, 0, 0, bindings, out);
        });
    });
    out
}

/// A report of one of the statistics of the user-based security model.
fn report(statistic: u32) -> Vec<u8> {
    user("", 0, REPORT, &vec![(vec![1, 3, 6, 1, 6, 3, 15, 1, 1, statistic, 0], Some(Var::Counter32(1)))])
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 32) as usize % limit
    }

    /// One of the seeds, changed in up to four places.
    fn mutate(&mut self, seeds: &[(Version, Vec<u8>)]) -> (Version, Vec<u8>) {
        let (version, mut datagram) = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut datagram, seeds);
        }
        (version, datagram)
    }

    /// Half of the changes leave all lengths as they are.
    fn change(&mut self, datagram: &mut Vec<u8>, seeds: &[(Version, Vec<u8>)]) {
        /// Where lengths and numbers go wrong.
        const BYTES: [u8; 12] = [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 2, 5, 6, 0x30];
        if datagram.is_empty() {
            return datagram.push(SEQUENCE);
        }
        let at = self.below(datagram.len());
        let end = (at + 1 + self.below(16)).min(datagram.len());
        match self.below(9) {
            0 => datagram[at] ^= 1 << self.below(8),
            1 => datagram[at] = self.next() as u8,
            2 => datagram[at] = BYTES[self.below(BYTES.len())],
            3 => datagram[at] = datagram[at].wrapping_add(1),
            4 => datagram.insert(at, BYTES[self.below(BYTES.len())]),
            5 => drop(datagram.drain(at..end)),
            6 => {
                let copied = datagram[at..end].to_vec();
                let to = self.below(datagram.len());
                datagram.splice(to..to, copied);
            }
            7 => {
                let (_, other) = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                datagram.splice(at..end, other[from..(from + 16).min(other.len())].iter().copied());
            }
            _ => datagram.truncate(at),
        }
    }
}
