//! Where values go: templates of paths, and slugs.
#![allow(clippy::panic, reason = "helpers of tests fail as tests do")]

use grafolean_snmp_bot::{OutputPath, RenderError, fuzzing, slugify};
use proptest::prelude::*;

/// What python-slugify 4.0.0 answers.
const SLUGS: &str = include_str!("data/slugify_vectors.json");

#[test]
fn slugs_are_those_of_the_reference() {
    let vectors: Vec<(String, String)> = serde_json::from_str(SLUGS).unwrap();
    assert_eq!(vectors.len(), 35);
    for (text, slug) in vectors {
        assert_eq!(slugify(&text), slug, "{text:?}");
    }
}

/// These answers are the reference's too, except where it says so.
#[test]
fn slugs_of_strange_texts() {
    for (text, slug) in [
        ("12,345,678 octets", "12345678-octets"),
        ("1,,2", "1-2"),
        ("1, 2", "1-2"),
        ("&#39;a&#x27;", "a"),
        ("&lt;1&gt;", "1"),
        ("&amp;#65;", "A"),
        ("&#1114112;", "1114112"),
        ("&#xD83D;x", "x"),
        ("&unknown;", "unknown"),
        ("a & b; c", "a-b-c"),
        ("&", ""),
        ("объявление", "obiavlenie"),
        ("Ελλάδα", "Ellada"),
        ("서울", "seoul"),
        ("北京", "Bei-Jing"),
        ("☎ 100 ℃", "100"),
        ("Uplink™", "Uplinktm"),
        ("a\0b\u{1}c", "a-b-c"),
        ("½", "1-2"),
        ("x²", "x2"),
        ("\u{fffd}x", "x"),
        ("a\u{e000}b", "a-b"),
        ("…", ""),
        ("什么 价 旅 术", "Shi-Yao-Jie-Lu-Zhu"),
        ("コア・スイッチ", "koasuituti"),
        // Different: a character that the reference does not know gave a dash, here x-y.
        ("x丆y", "xHany"),
        // Different: the reference takes the accent off after it has decoded, which gave cafe-s.
        ("caf&#233;s", "caf-s"),
    ] {
        assert_eq!(slugify(text), slug, "{text:?}");
    }
}

fn render(template: &str, index: Option<&[u32]>) -> Result<String, RenderError> {
    let texts = ["GigabitEthernet0/1", "", "---", "eth0.100"];
    let path = OutputPath::compile(template, 5).unwrap_or_else(|error| panic!("{template}: {error}"));
    path.render(index, |n| texts.get(n - 1).map(|text| (*text).into()))
}

#[test]
fn a_template_becomes_the_tail_of_a_path() {
    for (template, tail) in [
        ("uptime", "uptime"),
        ("if.{$1}.in_octets", "if.GigabitEthernet0-1.in_octets"),
        ("{$index}", "7-10-0"),
        ("a-{$4}{$index}_b.c", "a-eth0-1007-10-0_b.c"),
        // Empty, but not alone in its segment.
        ("x{$2}.y{$3}z", "x.yz"),
    ] {
        assert_eq!(render(template, Some(&[7, 10, 0])).unwrap(), tail, "{template}");
    }
}

#[test]
fn a_row_without_what_its_path_needs_has_none() {
    for (template, index, message) in [
        ("a.{$2}.b", Some(&[1][..]), "{$2} is empty: the path would have an empty segment"),
        ("a.{$2}{$3}", Some(&[1]), "{$2}{$3} is empty: the path would have an empty segment"),
        ("{$5}", Some(&[1]), "{$5} has no value"),
        ("{$index}", None, "{$index} stands for the row of a walk, and there is none"),
        ("{$index}", Some(&[]), "{$index} is empty: the path would have an empty segment"),
        ("{$index}", Some(&[u32::MAX; 200]), "more than 2000 bytes"),
    ] {
        assert_eq!(render(template, index).unwrap_err().to_string(), message, "{template}");
    }
    assert_eq!(render("a.b", None).unwrap(), "a.b");
}

#[test]
fn templates_that_cannot_become_paths_are_refused() {
    for (template, message) in [
        ("", "an output path cannot be empty"),
        (".", "column 1: an empty segment"),
        (".a", "column 1: an empty segment"),
        ("a.", "column 3: an empty segment"),
        ("a..b", "column 3: an empty segment"),
        ("{$1}..{$2}", "column 6: an empty segment"),
        ("a b", "column 2: expected a-z, A-Z, 0-9, _, -, a dot, {$n} or {$index}, found ' '"),
        ("ä.ü", "column 1: expected a-z, A-Z, 0-9, _, -, a dot, {$n} or {$index}, found 'ä'"),
        ("a}", "column 2: expected a-z, A-Z, 0-9, _, -, a dot, {$n} or {$index}, found '}'"),
        ("a.{$1", "column 3: expected {$n} or {$index}, found {$1"),
        ("{}", "column 1: expected {$n} or {$index}, found {}"),
        ("{1}", "column 1: expected {$n} or {$index}, found {1}"),
        ("{$}", "column 1: expected {$n} or {$index}, found {$}"),
        ("{$01}", "column 1: expected {$n} or {$index}, found {$01}"),
        ("{index}", "column 1: expected {$n} or {$index}, found {index}"),
        ("{$1.5}", "column 1: expected {$n} or {$index}, found {$1"),
        ("a.{{$1}}", "column 3: expected {$n} or {$index}, found {{$1}"),
        ("a.{$0}", "column 3: {$0} is none of the sensor's values: expected {$1} to {$3}"),
        ("a.{$4}", "column 3: {$4} is none of the sensor's values: expected {$1} to {$3}"),
        (
            "{$99999999999999999999}",
            "column 1: {$99999999999999999999} is none of the sensor's values: expected",
        ),
    ] {
        let error = OutputPath::compile(template, 3).unwrap_err().to_string();
        assert!(error.starts_with(message), "{template}: {error}");
    }
    assert!(OutputPath::compile(&"a".repeat(1 << 20), 3).is_err());
    assert!(OutputPath::compile(&"{$1}".repeat(500), 3).is_ok());
}

#[test]
fn a_template_tells_whether_rows_always_differ() {
    assert!(OutputPath::compile("a.{$index}", 1).unwrap().tells_rows_apart());
    assert!(!OutputPath::compile("a.{$1}", 1).unwrap().tells_rows_apart(), "two rows may say the same");
    assert!(!OutputPath::compile("a.{$index}-{$1}", 1).unwrap().tells_rows_apart(), "1-2-3 may be 1-2 and 3");
    assert!(!OutputPath::compile("a.b", 1).unwrap().tells_rows_apart());
}

proptest! {
    #[test]
    fn any_text_becomes_a_segment_or_nothing(text in any::<String>()) {
        fuzzing::slug(&text);
    }

    #[test]
    fn texts_with_references_and_numbers_become_segments(text in "[&#x;0-9a'A,_ÜП旅-]{0,30}") {
        fuzzing::slug(&text);
    }

    #[test]
    fn a_value_stands_in_a_path_as_its_slug(text in "[a-cA-C0-9_/ü-]{0,6}") {
        let rendered = OutputPath::compile("x{$1}", 1).unwrap().render(None, |_| Some((&*text).into()));
        prop_assert_eq!(rendered, Ok(format!("x{}", slugify(&text))));
    }

    #[test]
    fn what_a_template_makes_is_always_a_path(
        template in "[a-c_.{$}1-3index-]{0,20}|((a|\\.|-|\\{\\$(1|2|12|13|index)\\}){0,8})",
        value in any::<String>(),
        index in prop::collection::vec(any::<u32>(), 0..5),
    ) {
        fuzzing::output_path(&template, &value, &index);
    }
}
