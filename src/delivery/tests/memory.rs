//! How delivery behaves, in simulated time: the outbox is in memory.

use super::*;
use crate::backend::DeliveryMode;
use crate::delivery::Status;
use crate::delivery::triage::Refusal;
use crate::telemetry::MetricsText;
use tokio::time::{Instant, sleep};

fn status(delivery: &Delivery, account: AccountId) -> Status {
    let state = delivery.state();
    state.accounts.into_iter().find(|a| a.account == account).unwrap().status
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_is_stored() {
    let api = Model::new();
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 2_500, 5)).await.unwrap();
    delivery.accept(OTHER, run("a", 10, 5)).await.unwrap();
    let state = delivery.wait_for(empty).await;
    assert_eq!((state.accepted, state.stored, api.stored().len()), (2_510, 2_510, 2_510));
    assert_eq!(api.requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn small_runs_are_gathered_into_few_requests() {
    let api = Model::new();
    let delivery = start(&api, Outbox::memory());
    for n in 0..1_000 {
        delivery.accept(ACCOUNT, run("a", 1, n)).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    delivery.wait_for(empty).await;
    assert!(api.requests().len() <= 8, "{} requests in a second", api.requests().len());
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_loses_nothing_and_repeats_nothing_stored() {
    let api = Model::new();
    let delivery = start(&api, Outbox::memory());
    for minute in 0..30 {
        match minute {
            5 => api.behave(|_, _| Answer::Fail(broken())),
            10 => api.fail(503),
            15 => api.behave_well(),
            _ => {}
        }
        for second in 0..60 {
            delivery.accept(ACCOUNT, run("a", 20, minute * 60 + second)).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        if minute == 12 {
            assert!(matches!(status(&delivery, ACCOUNT), Status::BackingOff { .. }));
        }
    }
    let state = delivery.wait_for(empty).await;
    assert_eq!(state.stored, 30 * 60 * 20);
    assert_eq!(api.stored().len(), 30 * 60 * 20);
    assert_eq!(api.repeated(), 0);
    assert!(matches!(status(&delivery, ACCOUNT), Status::Delivering));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_stores_nothing_twice() {
    let api = Model::new();
    let mut first = true;
    api.behave(move |_, _| if std::mem::take(&mut first) { Answer::Lose } else { Answer::Honest });
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 10, 1)).await.unwrap();
    delivery.wait_for(empty).await;
    assert_eq!((api.stored().len(), api.requests().len()), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn live_samples_go_before_the_backlog_and_the_backlog_is_slow() {
    let api = Model::new();
    api.behave(|_, _| Answer::Fail(broken()));
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("old", 20_000, 1)).await.unwrap();
    delivery.wait_for(|state| matches!(state.accounts[0].status, Status::BackingOff { .. })).await;
    api.behave_well();
    let began = Instant::now();
    for second in 0..5 {
        let name = format!("live{second}");
        delivery.accept(ACCOUNT, run(&name, 10, 2)).await.unwrap();
        let stored = || api.stored().keys().filter(|(_, path, _)| path.starts_with(&name)).count();
        sleep(Duration::from_secs(1)).await;
        // The first may have to wait for the end of the pause.
        assert!(second == 0 || stored() == 10, "{name}: {}", stored());
    }
    delivery.wait_for(empty).await;
    let took = began.elapsed().as_secs_f64();
    assert!((9.0..13.0).contains(&took), "20,000 samples at 2,000 a second took {took} s");
    let old: Vec<_> =
        api.requests().into_iter().flat_map(|(_, paths)| paths).filter(|p| p == "old.0").collect();
    assert!(!old.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_bad_sample_is_set_aside_with_the_backends_words_and_its_neighbours_are_stored() {
    let api = Model::new();
    api.refuse(["a.3", "a.500", "a.501"]);
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 1_000, 5)).await.unwrap();
    let state = delivery.wait_for(empty).await;
    assert_eq!(api.stored().len(), 997);
    assert_eq!(state.set_aside["refused"], 3);
    assert!(matches!(state.accounts[0].status, Status::Delivering));
    let last: Vec<_> = state.set_aside_last.iter().map(|aside| aside.path.as_str()).collect();
    assert_eq!(last, ["a.3", "a.500", "a.501"]);
    assert!(state.set_aside_last[0].words.contains("words of the backend"));
    assert!(api.requests().len() < 50, "{} requests", api.requests().len());
}

#[tokio::test(start_paused = true)]
async fn a_bad_sample_alone_is_kept_until_the_backend_has_accepted_another() {
    let api = Model::new();
    api.refuse(["a.0"]);
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 1, 5)).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(delivery.state().waiting, 1);
    delivery.accept(ACCOUNT, run("b", 1, 5)).await.unwrap();
    let state = delivery.wait_for(empty).await;
    assert_eq!((state.set_aside["refused"], state.stored), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_answers_400_to_everything_destroys_nothing() {
    let api = Model::new();
    api.fail(400);
    let delivery = start(&api, Outbox::memory());
    for n in 0..50 {
        delivery.accept(ACCOUNT, run("a", 100, n)).await.unwrap();
        sleep(Duration::from_secs(20)).await;
    }
    let state = delivery.state();
    let Status::BackingOff { why, .. } = &state.accounts[0].status else { panic!("{state:?}") };
    assert!(why.starts_with("100 samples in a row were refused"), "{why}");
    assert_eq!((state.waiting, state.set_aside["refused"]), (5_000, 0));
    api.behave_well();
    let state = delivery.wait_for(empty).await;
    assert_eq!((state.stored, state.set_aside["refused"]), (5_000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_bad_samples_do_not_stop_the_good_ones() {
    let api = Model::new();
    api.refuse((0..1_000).map(|n| format!("bad.{n}")));
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("bad", 1_000, 5)).await.unwrap();
    for n in 0..100 {
        delivery.accept(ACCOUNT, run("good", 10, n)).await.unwrap();
        sleep(Duration::from_secs(5)).await;
    }
    let state = delivery.wait_for(empty).await;
    assert_eq!((state.stored, state.set_aside["refused"]), (1_000, 1_000));
}

#[tokio::test(start_paused = true)]
async fn without_a_permission_that_account_stops_and_the_others_go_on() {
    let api = Model::new();
    api.behave(|account, _| if account == ACCOUNT { Answer::Fail(answer(403)) } else { Answer::Honest });
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 10, 1)).await.unwrap();
    delivery.accept(OTHER, run("a", 10, 1)).await.unwrap();
    sleep(Duration::from_secs(600)).await;
    assert!(matches!(status(&delivery, ACCOUNT), Status::Stopped { stop: Refusal::Permission, .. }));
    assert!(matches!(status(&delivery, OTHER), Status::Delivering));
    assert!(!delivery.state().token_refused);
    let tried = api.requests().iter().filter(|(account, _)| *account == ACCOUNT).count();
    assert!((9..=11).contains(&tried), "{tried} attempts in ten minutes");
    api.behave_well();
    delivery.wait_for(empty).await;
    assert_eq!(api.stored().len(), 20);
    assert!(matches!(status(&delivery, ACCOUNT), Status::Delivering));
}

#[tokio::test(start_paused = true)]
async fn with_a_refused_token_all_stop_and_all_go_on_when_it_is_good_again() {
    let api = Model::new();
    api.fail(401);
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 10, 1)).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    delivery.accept(OTHER, run("a", 10, 1)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert!(delivery.state().token_refused);
    api.behave_well();
    let began = Instant::now();
    delivery.wait_for(empty).await;
    assert!(began.elapsed() < Duration::from_secs(31), "{:?}", began.elapsed());
    assert!(!delivery.state().token_refused);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_became_good_while_a_refusal_was_on_its_way_was_noticed_a_minute_late() {
    let api = Model::new();
    let mut known = HashSet::new();
    api.behave(
        move |account, _| if known.insert(account) { Answer::Fail(answer(401)) } else { Answer::Honest },
    );
    api.take(Duration::from_millis(300));
    let delivery = start(&api, Outbox::memory());
    delivery.accept(OTHER, run("a", 10, 1)).await.unwrap();
    // The first account's second attempt ends 60.6 s after the beginning.
    sleep(Duration::from_millis(60_400)).await;
    delivery.accept(ACCOUNT, run("a", 10, 1)).await.unwrap();
    let began = Instant::now();
    delivery.wait_for(empty).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(api.requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_account_stops_with_words() {
    let api = Model::new();
    api.fail(404);
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 10, 1)).await.unwrap();
    let stopped = |state: &DeliveryState| matches!(&state.accounts[0].status, Status::Stopped { stop: Refusal::Account, why, .. } if why.contains("404"));
    delivery.wait_for(stopped).await;
}

#[tokio::test(start_paused = true)]
async fn the_backend_may_ask_for_patience() {
    let api = Model::new();
    let mut first = true;
    api.behave(move |_, _| {
        let busy = answer_with(429, Some(Duration::from_secs(120)));
        if std::mem::take(&mut first) { Answer::Fail(busy) } else { Answer::Honest }
    });
    let delivery = start(&api, Outbox::memory());
    let began = Instant::now();
    delivery.accept(ACCOUNT, run("a", 10, 1)).await.unwrap();
    delivery.wait_for(empty).await;
    assert!((120..=122).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(api.requests().len(), 2);
}

async fn the_backend_breaks_at(poison: &'static [&'static str]) {
    let api = Model::new();
    api.behave(|_, samples| {
        let breaks = samples.iter().any(|sample| poison.contains(&sample.path.as_str()));
        if breaks { Answer::Fail(answer(500)) } else { Answer::Honest }
    });
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 2_000, 1)).await.unwrap();
    for n in 0..120 {
        delivery.accept(ACCOUNT, run("live", 10, n)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    let state = delivery.state();
    assert_eq!(state.waiting, poison.len());
    assert!(matches!(state.accounts[0].status, Status::Delivering));
    let tries = api.requests().len();
    sleep(Duration::from_secs(3_600)).await;
    let tries = api.requests().len() - tries;
    assert!(tries < 80 * poison.len(), "the poison is tried seldom: {tries} times in an hour");
    // Nothing is given up: when the backend is mended, it is stored.
    api.behave_well();
    delivery.wait_for(empty).await;
}

#[tokio::test(start_paused = true)]
async fn a_sample_at_which_the_backend_breaks_does_not_block_the_others() {
    the_backend_breaks_at(&["a.123"]).await;
}

#[tokio::test(start_paused = true)]
async fn nor_do_several() {
    the_backend_breaks_at(&["a.123", "a.124", "a.125", "a.800", "a.1000", "a.1999"]).await;
}

#[tokio::test(start_paused = true)]
async fn requests_get_smaller_when_large_ones_fail() {
    let api = Model::new();
    api.behave(|_, samples| if samples.len() > 100 { Answer::Fail(answer(413)) } else { Answer::Honest });
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 5_000, 1)).await.unwrap();
    delivery.wait_for(empty).await;
    assert_eq!(api.stored().len(), 5_000);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_zero_made_the_bot_hammer_and_hid_the_outage() {
    let api = Model::new();
    api.behave(|_, _| Answer::Fail(answer_with(502, Some(Duration::ZERO))));
    api.take(Duration::from_millis(5));
    let delivery = start(&api, Outbox::memory());
    for second in 0..60 {
        delivery.accept(ACCOUNT, run("a", 500, second)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert!(second < 5 || matches!(status(&delivery, ACCOUNT), Status::BackingOff { .. }));
    }
    let requests = api.requests().len();
    assert!(requests < 30, "{requests} requests in a minute");
}

#[tokio::test(start_paused = true)]
async fn of_values_at_one_path_and_time_the_first_is_sent() {
    let api = Model::new();
    let delivery = start(&api, Outbox::memory());
    let mut samples = run("a", 10, 1);
    samples.push(Sample { value: 99.0, ..sample("a.3", 1) });
    delivery.accept(ACCOUNT, samples).await.unwrap();
    let state = delivery.wait_for(empty).await;
    assert_eq!((state.stored, state.set_aside["duplicate"]), (10, 1));
    assert_eq!(api.stored()[&(ACCOUNT, "a.3".to_owned(), 1_000_000)], 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_posted_list_holds_each_path_once() {
    let api = Model::new();
    let options = DeliveryOptions { mode: DeliveryMode::Post, ..DeliveryOptions::default() };
    let delivery = start_with(&api, Outbox::memory(), options);
    let samples = (0..30).map(|n| sample(format_args!("p.{}", n % 3), n)).collect();
    delivery.accept(ACCOUNT, samples).await.unwrap();
    delivery.wait_for(empty).await;
    for (_, paths) in api.requests() {
        assert_eq!(paths.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_memory_drops_the_oldest_and_counts_them() {
    let api = Model::new();
    api.fail(503);
    let delivery = start(&api, Outbox::memory().max_samples(1_500));
    for n in 0..40 {
        delivery.accept(ACCOUNT, run("a", 100, n)).await.unwrap();
        sleep(Duration::from_secs(10)).await;
    }
    let state = delivery.state();
    assert_eq!((state.waiting, state.dropped["full"]), (1_500, 2_500));
    api.behave_well();
    let state = delivery.wait_for(empty).await;
    assert_eq!(state.accepted, state.stored + state.dropped["full"]);
    let times: HashSet<_> = api.stored().keys().map(|(_, _, time)| time / 1_000_000).collect();
    assert!(times.is_superset(&(30..40).collect()), "the newest are kept: {times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_delivers_live_samples_and_backlog_at_once() {
    let api = Model::new();
    api.fail(503);
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 50_000, 1)).await.unwrap();
    delivery.accept(OTHER, run("a", 5, 1)).await.unwrap();
    sleep(Duration::from_secs(300)).await;
    api.behave_well();
    let began = Instant::now();
    let drained = delivery.drain(Duration::from_secs(10)).await;
    assert!(drained.is_complete(), "{drained}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(drained.to_string(), "all samples are delivered");
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_a_backend_says_what_is_left() {
    let api = Model::new();
    api.behave(|_, _| Answer::Fail(broken()));
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 50, 1)).await.unwrap();
    let began = Instant::now();
    let drained = delivery.drain(Duration::from_secs(20)).await;
    assert_eq!(began.elapsed().as_secs(), 20, "what would be lost is tried as long as there is time");
    assert_eq!(
        drained.to_string(),
        "50 samples in memory could not be delivered: PUT accounts/7/values: connection reset"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_lost_samples_in_memory_though_the_backend_came_back_in_time() {
    let api = Model::new();
    api.behave(|_, _| Answer::Fail(broken()));
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 50, 1)).await.unwrap();
    sleep(Duration::from_secs(600)).await;
    let back = async {
        sleep(Duration::from_secs(6)).await;
        api.behave_well();
    };
    let (drained, ()) = tokio::join!(delivery.drain(Duration::from_secs(10)), back);
    assert!(drained.is_complete(), "{drained}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_its_grace() {
    let api = Model::new();
    api.take(Duration::from_secs(30));
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 5_000, 1)).await.unwrap();
    let began = Instant::now();
    let drained = delivery.drain(Duration::from_secs(10)).await;
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(drained.in_memory, 5_000);
}

#[tokio::test(start_paused = true)]
async fn accounts_do_not_wait_for_each_other_but_few_requests_are_under_way_at_once() {
    let api = Model::new();
    api.take(Duration::from_secs(1));
    let delivery = start(&api, Outbox::memory());
    let began = Instant::now();
    for account in 0..8 {
        delivery.accept(AccountId::new(account), run("a", 1, 1)).await.unwrap();
    }
    delivery.wait_for(empty).await;
    assert_eq!(began.elapsed().as_secs(), 2, "eight requests of a second, four at once");
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_nothing_is_accepted() {
    let delivery = start(&Model::new(), Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 1, 1)).await.unwrap();
    delivery.stop().await;
    let refused = delivery.accept(ACCOUNT, run("a", 1, 2)).await.unwrap_err();
    assert_eq!(refused.to_string(), "delivery has stopped");
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_nothing_was_delivered_for_that_account_any_more() {
    let api = Model::new();
    let mut requests = 0;
    api.behave(move |_, _| {
        requests += 1;
        assert!(requests != 1, "a bug");
        Answer::Honest
    });
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 10, 1)).await.unwrap();
    let failed = |state: &DeliveryState| matches!(&state.accounts[0].status, Status::BackingOff { why, .. } if why.ends_with("a bug"));
    delivery.wait_for(failed).await;
    assert_eq!(delivery.state().waiting, 10);
    delivery.wait_for(empty).await;
    assert_eq!(api.stored().len(), 10);
    assert!(matches!(status(&delivery, ACCOUNT), Status::Delivering));
}

#[tokio::test(start_paused = true)]
async fn the_numbers_can_be_read_by_machines() {
    let api = Model::new();
    api.refuse(["a.0"]);
    let delivery = start(&api, Outbox::memory());
    delivery.accept(ACCOUNT, run("a", 10, 1)).await.unwrap();
    delivery.wait_for(empty).await;
    let mut out = MetricsText::default();
    delivery.write_metrics(&mut out);
    for line in [
        "grafolean_samples_accepted_total 10",
        "grafolean_samples_stored_total 9",
        "grafolean_samples_set_aside_total{reason=\"refused\"} 1",
        "grafolean_samples_dropped_total{reason=\"full\"} 0",
        "grafolean_outbox_samples 0",
        "grafolean_outbox_bytes 0",
        "grafolean_outbox_oldest_seconds 0",
    ] {
        assert!(out.as_str().lines().any(|l| l == line), "{line} is missing in\n{}", out.as_str());
    }
    let json = serde_json::to_value(delivery.state()).unwrap();
    assert_eq!(json["accounts"][0]["status"], "delivering");
    assert_eq!(json["set_aside_last"][0]["path"], "a.0");
    assert_eq!(json["set_aside_last"][0]["why"], "refused");
}
