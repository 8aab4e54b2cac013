//! What an evaluation costs, and a compilation: `cargo bench -p grafolean-snmp-bot --bench expression`
#![allow(clippy::expect_used, missing_docs, reason = "a benchmark has nobody to report to, and no users")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use grafolean_snmp_bot::{Expression, OutputPath, slugify};

const TEXTS: [&str; 4] = [
    "$1",
    "$1 / $2 * 100",
    "($1 - $2) / ($1 + $2) * 100",
    "$1 > $2 and $2 != 0 ? round($1 / $2, 2) : max($1, $2, 1e3)",
];

fn expressions(c: &mut Criterion) {
    let values = [100.0, 8.0];
    for text in TEXTS {
        let expression = Expression::compile(text, 2).expect("an expression");
        c.bench_function(&format!("eval {text}"), |b| b.iter(|| expression.eval(black_box(&values))));
    }
    c.bench_function("compile $1 / $2 * 100", |b| b.iter(|| Expression::compile(black_box(TEXTS[1]), 2)));

    let refused = [("1 MB of digits", "1".repeat(1 << 20)), ("10,000 parentheses", "(".repeat(10_000))];
    for (name, text) in &refused {
        c.bench_function(&format!("refuse {name}"), |b| b.iter(|| Expression::compile(black_box(text), 2)));
    }
}

fn paths(c: &mut Criterion) {
    let path = OutputPath::compile("if.{$1}.{$index}.in", 1).expect("a template");
    c.bench_function("render if.{$1}.{$index}.in", |b| {
        b.iter(|| path.render(Some(black_box(&[7])), |_| Some("GigabitEthernet0/1".into())));
    });
    c.bench_function("slug of Ünïcode straße", |b| b.iter(|| slugify(black_box("Ünïcode straße"))));
}

criterion_group!(benches, expressions, paths);
criterion_main!(benches);
