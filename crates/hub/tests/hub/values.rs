//! Reading values in all ways.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Served, Who};

async fn put(hub: &Served, who: &Who, points: &[(&str, f64, f64)]) {
    let list: Vec<_> = points.iter().map(|(p, t, v)| json!({"p": p, "t": t, "v": v})).collect();
    hub.ask(who, "PUT", &format!("accounts/{}/values", hub.account()), json!(list)).await.expect(204);
}

#[tokio::test]
async fn values_are_sorted_and_limited_and_say_where_they_go_on() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let path = "test.sort.limit";
    let points: Vec<_> =
        [160.0, 360.0, 560.0, 760.0].iter().map(|t| (path, 1_330_002_000.0 + t, *t)).collect();
    put(&hub, &bot, &points).await;
    let url = format!("accounts/{account}/values/{path}");
    let got = hub.get(&bot, &format!("{url}/?sort=desc&limit=2")).await.expect(200).json();
    let expected = json!({"paths": {path: {
        "next_data_point": 1_330_002_360.0,
        "data": [{"t": 1_330_002_760.0, "v": 760.0}, {"t": 1_330_002_560.0, "v": 560.0}],
    }}});
    assert_eq!(got, expected);
    let got = hub.get(&bot, &format!("{url}?t0=1330002300&t1=1330002600")).await.json();
    assert_eq!(got["paths"][path]["data"].as_array().unwrap().len(), 2);
    for wrong in ["sort=up", "limit=0", "limit=100001", "limit=x", "t0=yesterday", "t1=-5", "t0=1,2"] {
        hub.get(&bot, &format!("{url}?{wrong}")).await.expect(400);
    }
    hub.get(&bot, &format!("accounts/{account}/values/bad%20path")).await.expect(400);
    hub.get(&bot, &format!("accounts/{account}/values/a,b")).await.expect(400);
}

#[tokio::test]
async fn encoded_dots_and_colons_in_paths_stay_as_they_are() {
    let hub = Served::start().await;
    let bot = hub.bot("ping");
    put(&hub, &bot, &[("a.10%2e0%2e0%2e1", 1_234_567_890.123_456, 111.22)]).await;
    let got = hub
        .get(&bot, &format!("accounts/{}/values/a.10%252e0%252e0%252e1/?t0=1234567890", hub.account()))
        .await;
    let expected = json!({"paths": {"a.10%2e0%2e0%2e1": {
        "next_data_point": null, "data": [{"t": 1_234_567_890.123_456, "v": 111.22}],
    }}});
    assert_eq!(got.expect(200).json(), expected);
}

#[tokio::test]
async fn several_paths_are_read_at_once_each_from_its_own_time() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    put(
        &hub,
        &admin,
        &[("a", 1_000_000_010.0, 1.0), ("a", 1_000_000_020.0, 2.0), ("b", 1_000_000_010.0, 3.0)],
    )
    .await;
    let url = format!("accounts/{}/getvalues", hub.account());
    let body =
        json!({"p": "a,b,c", "t0": "1000000015,1000000000,1000000000", "t1": 1_000_000_030, "a": "no"});
    let got = hub.ask(&admin, "POST", &url, body).await.expect(200).json();
    assert_eq!(got["paths"]["a"]["data"], json!([{"t": 1_000_000_020.0, "v": 2.0}]));
    assert_eq!(got["paths"]["b"]["data"], json!([{"t": 1_000_000_010.0, "v": 3.0}]));
    assert_eq!(got["paths"]["c"]["data"], json!([]));
    for (body, text) in [
        (json!({}), "Path(s) not specified"),
        (json!({"p": "a b"}), "Path(s) not specified correctly"),
        (json!({"p": "a,b", "t0": "1000000000,1000000000,1000000000"}), "Number of t0 timestamps"),
    ] {
        let got = hub.ask(&admin, "POST", &url, body).await.expect(400);
        assert!(got.text.contains(text), "{}", got.text);
    }
    hub.ask(&admin, "POST", &url, "[]").await.expect(400);
}

#[tokio::test]
async fn rollups_are_buckets_of_powers_of_three_hours_at_their_middle() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    // Divisible by 3^5 hours since 2000-01-03.
    let from = 946_857_600 + 10 * 243 * 3_600;
    let points: Vec<_> = (0..100).map(|i| ("r.u", f64::from(from + 1 + i * 5), f64::from(111 + i))).collect();
    put(&hub, &admin, &points).await;
    let url = format!("accounts/{}/getaggrvalues", hub.account());
    for level in 0..=6_u32 {
        let hours = 3_i32.pow(level);
        let body = json!({"p": "r.u", "t0": from - 729 * 3_600, "t1": from + hours * 3_600, "a": level});
        let got = hub.ask(&admin, "POST", &url, body).await.expect(200).json();
        let data = &got["paths"]["r.u"]["data"];
        assert_eq!(data.as_array().unwrap().len(), 1, "{data}");
        let values = (&data[0]["v"], &data[0]["minv"], &data[0]["maxv"]);
        assert_eq!(values, (&json!(160.5), &json!(111.0), &json!(210.0)));
        if level <= 5 {
            assert_eq!(data[0]["t"], f64::from(from) + f64::from(hours) * 1_800.0);
        }
    }
    for wrong in [
        json!({"p": "r.u"}),
        json!({"p": "r.u", "a": 7}),
        json!({"p": "r.u", "a": "x"}),
        json!({"p": "r.u", "a": -1}),
    ] {
        hub.ask(&admin, "POST", &url, wrong).await.expect(400);
    }
}

#[tokio::test]
async fn the_largest_values_of_the_newest_moment_are_found() {
    let hub = Served::start().await;
    let bot = hub.bot("ping");
    let mut list = Vec::new();
    let names: Vec<String> = (0..10).map(|i| format!("aaa.bbb.1min.{i}")).collect();
    for t in 0..3 {
        for (i, name) in (0..).zip(&names) {
            list.push((
                name.as_str(),
                1_234_567_890.123 + f64::from(t) * 60.0,
                550.3 * f64::from(i) + f64::from(t),
            ));
        }
    }
    put(&hub, &bot, &list).await;
    let url = format!("accounts/{}/topvalues/", hub.account());
    let got = hub
        .get(&bot, &format!("{url}?f=aaa.bbb.1min.*&n=3&t={}", 1_234_567_890.123 + 60.0))
        .await
        .expect(200)
        .json();
    assert_eq!(got["t"], 1_234_567_950.123);
    let shown: Vec<_> =
        got["list"].as_array().unwrap().iter().map(|one| one["p"].as_str().unwrap()).collect();
    assert_eq!(shown, ["aaa.bbb.1min.9", "aaa.bbb.1min.8", "aaa.bbb.1min.7"]);
    let total: f64 = (0..10).map(|i| 550.3 * f64::from(i) + 1.0).sum();
    assert!((got["total"].as_f64().unwrap() - total).abs() < 1e-6);
    let got = hub.get(&bot, &format!("{url}?f=nothing.*&t=1234567890")).await.expect(200).json();
    assert_eq!(got, json!({"t": 1_234_567_890.0, "total": 0.0, "list": []}));
    for wrong in ["", "?f=a..b", "?f=a&n=x", "?f=a&t=x"] {
        hub.get(&bot, &format!("{url}{wrong}")).await.expect(400);
    }
}

#[tokio::test]
async fn paths_are_found_by_filters_and_by_what_is_being_typed() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let path = "test.values.put.aaaa.bbbb";
    put(&hub, &admin, &[(path, 1_234_567_890.0, 1.0), ("other.x", 1_234_567_890.0, 1.0)]).await;
    let url = format!("accounts/{}/paths", hub.account());
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap().to_owned()).collect()
    };
    let got = hub.get(&admin, &format!("{url}/?filter=test.*,other.?,none.*")).await.expect(200).json();
    assert_eq!(got["limit_reached"], false);
    assert_eq!(names(&got["paths"]["test.*"]), [path]);
    assert_eq!(names(&got["paths"]["other.?"]), ["other.x"]);
    assert_eq!(names(&got["paths"]["none.*"]), Vec::<String>::new());
    for wrong in ["filter=test.", "filter=test.&failover_trailing=false", "filter=a*", "filter=*&limit=x"] {
        hub.get(&admin, &format!("{url}?{wrong}")).await.expect(400);
    }
    for typed in ["t", "te", "test", "test.", "test.v"] {
        let got =
            hub.get(&admin, &format!("{url}?filter={typed}&failover_trailing=true")).await.expect(200).json();
        assert_eq!(got["paths"], json!({}));
        assert_eq!(names(&got["paths_with_trailing"][typed]), [path], "{typed}");
    }
    let got = hub.get(&admin, &format!("{url}?filter=*&limit=1")).await.json();
    assert_eq!((got["limit_reached"].clone(), names(&got["paths"]["*"]).len()), (json!(true), 1));
}

#[tokio::test]
async fn a_path_is_renamed_and_deleted_with_its_values() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    put(&hub, &admin, &[("a.b", 1_234_567_890.0, 7.0), ("c", 1_234_567_890.0, 1.0)]).await;
    let paths = format!("accounts/{}/paths", hub.account());
    let id = hub.get(&admin, &format!("{paths}?filter=a.b")).await.json()["paths"]["a.b"][0]["id"].clone();
    let url = format!("{paths}/{id}");
    assert_eq!(hub.get(&admin, &url).await.expect(200).json(), json!({"path": "a.b"}));
    hub.ask(&admin, "PUT", &url, json!({"path": "a.z"})).await.expect(204);
    for (wrong, status) in [("c", 400), ("bad path", 400), ("system.x", 400)] {
        hub.ask(&admin, "PUT", &url, json!({"path": wrong})).await.expect(status);
    }
    let values = format!("accounts/{}/values/a.z", hub.account());
    assert_eq!(hub.get(&admin, &values).await.json()["paths"]["a.z"]["data"][0]["v"], 7.0);
    hub.ask(&admin, "DELETE", &url, "").await.expect(204);
    hub.get(&admin, &url).await.expect(404);
    hub.ask(&admin, "DELETE", &url, "").await.expect(404);
    hub.ask(&admin, "PUT", &url, json!({"path": "q"})).await.expect(404);
    assert_eq!(hub.get(&admin, &values).await.json()["paths"]["a.z"]["data"], json!([]));
}

#[tokio::test]
async fn the_newest_values_are_told_at_once() {
    let hub = Served::start().await;
    let bot = hub.bot("ping");
    put(
        &hub,
        &bot,
        &[("a.x", 1_234_567_890.0, 1.0), ("a.x", 1_234_567_900.0, 2.0), ("a.y", 1_234_567_890.0, 3.0)],
    )
    .await;
    let url = format!("accounts/{}/last", hub.account());
    let expected = json!({"list": [{"p": "a.x", "t": 1_234_567_900.0, "v": 2.0}, {"p": "a.y", "t": 1_234_567_890.0, "v": 3.0}]});
    assert_eq!(hub.get(&bot, &format!("{url}?f=a.*")).await.expect(200).json(), expected);
    assert_eq!(hub.get(&bot, &format!("{url}?p=a.x,none,a.y")).await.expect(200).json(), expected);
    hub.get(&bot, &url).await.expect(400);
    hub.get(&bot, &format!("{url}?p=a%20b")).await.expect(400);
}

#[tokio::test]
async fn what_is_stored_is_counted_by_the_minute() {
    let hub = Served::start().await;
    let bot = hub.bot("ping");
    let account = hub.account();
    put(&hub, &bot, &[("a", 1_234_567_890.0, 1.0), ("b", 1_234_567_890.0, 1.0)]).await;
    hub.ask(&bot, "POST", &format!("accounts/{account}/values"), r#"[{"p":"c","v":1}]"#).await.expect(204);
    let sum = async |name: &str| -> f64 {
        let path = format!("system.stats.{name}");
        let got = hub.get(&bot, &format!("accounts/{account}/values/{path}")).await.json();
        got["paths"][&path]["data"].as_array().unwrap().iter().map(|one| one["v"].as_f64().unwrap()).sum()
    };
    // The counters are written a moment after the answer.
    for _ in 0..100 {
        if (sum("updated").await, sum("inserted").await, sum("changed").await) == (2.0, 1.0, 3.0) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{} {} {}", sum("updated").await, sum("inserted").await, sum("changed").await);
}

#[tokio::test]
async fn a_hundred_thousand_points_are_one_answer() {
    let hub = Served::start().await;
    let bot = hub.bot("ping");
    let account = hub.account();
    for part in 0..5 {
        let mut body = String::from("[");
        for i in 0..20_001 {
            let comma = if i == 0 { "" } else { "," };
            write!(body, "{comma}{{\"p\":\"a\",\"v\":{i}.5,\"t\":{}}}", 1_500_000_000 + part * 20_001 + i)
                .unwrap();
        }
        body.push(']');
        hub.ask(&bot, "PUT", &format!("accounts/{account}/values"), body).await.expect(204);
    }
    let got = hub.get(&bot, &format!("accounts/{account}/values/a")).await.expect(200).json();
    assert_eq!(got["paths"]["a"]["data"].as_array().unwrap().len(), 100_000);
    assert_eq!(got["paths"]["a"]["next_data_point"], 1_500_100_000.0);
}

#[tokio::test]
async fn what_a_question_holds_beside_its_parameters_is_passed_over() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let body = r#"[{"p":"a.b","v":1.5,"t":1700000000.000001}]"#;
    hub.ask(&bot, "PUT", &format!("accounts/{account}/values"), body).await.expect(204);
    let path = format!("accounts/{account}/getvalues");
    let body =
        r#"{"p":"a.b","x":[[],{"y":[1]}],"t0":1700000000.000001,"t1":"1700000001","limit":10,"sort":null}"#;
    let got = hub.ask(&bot, "POST", &path, body).await.expect(200);
    assert_eq!(
        got.text,
        r#"{"paths":{"a.b":{"next_data_point":null,"data":[{"t":1700000000.000001,"v":1.5}]}}}"#
    );
    for wrong in [r#"{"p":["a.b"]}"#, r#"{"p":{}}"#, r#"["a.b"]"#, "", "{", r#"{"p":"a.b","limit":[]}"#, "7"]
    {
        hub.ask(&bot, "POST", &path, wrong).await.expect(400);
    }
}

#[tokio::test]
async fn a_filter_that_would_be_compared_for_ever_is_refused() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let long = vec!["a"; 900].join(".");
    let values: Vec<_> = (0..1_000).map(|i| json!({"p": format!("{long}.x{i}"), "v": 1, "t": 1})).collect();
    hub.ask(&bot, "PUT", &format!("accounts/{account}/values"), json!(values)).await.expect(204);
    let filter = format!("*.{}.b", vec!["a"; 450].join("."));
    for query in [
        format!("paths?filter={filter}"),
        format!("paths?failover_trailing=true&filter={filter}.*.c"),
        format!("topvalues?f={filter}"),
    ] {
        let got = hub.get(&bot, &format!("accounts/{account}/{query}")).await.expect(400);
        assert!(got.text.contains("takes too long"), "{}", got.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_do_not_fill_the_memory() {
    use std::io::Write as _;

    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let values: Vec<_> =
        (0..100_000).map(|t| json!({"p": "a.b", "v": 1.5, "t": 1_700_000_000 + t})).collect();
    for values in values.chunks(50_000) {
        hub.ask(&bot, "PUT", &format!("accounts/{account}/values"), json!(values)).await.expect(204);
    }
    let Who::Bot(token) = &bot else { unreachable!() };
    let body = format!(r#"{{"p":"{}"}}"#, ["a.b"; 10].join(","));
    let ask = || {
        let mut stream = std::net::TcpStream::connect(hub.listening.address()).unwrap();
        let head = format!(
            "POST /api/accounts/{account}/getvalues?b={token} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    // Each would take a million points, and none is read.
    let mut slow: Vec<_> = (0..6).map(|_| ask()).collect();
    for stream in &mut slow {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let mut first = [0; 12];
        std::io::Read::read_exact(stream, &mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let path = format!("accounts/{account}/values/a.b?t0=0&limit=10");
    let got = hub.get(&bot, &path).await.expect(503);
    assert!(got.text.contains("too many large answers"), "{}", got.text);
    // When they are gone, the memory is there again.
    drop(slow);
    hub.get(&bot, &path).await.expect(200);
}
