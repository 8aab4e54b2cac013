use std::time::Duration;

use super::*;
use crate::poll::Manners;
use crate::poll::scripted::{Request, Scripted, TIMEOUT, gen_err, silence};

fn objects(n: u32) -> Vec<Oid> {
    (1..=n).map(|n| Oid::new([1, 3, 9, n, 0])).collect()
}

fn agent(n: u32) -> Scripted {
    Scripted::new(objects(n).into_iter().map(|oid| (oid, Value::Integer(1))))
}

async fn get_with(agent: &Scripted, n: u32, manners: &mut GetManners) -> Gets {
    get(&agent.talk(), &objects(n), manners).await
}

fn manners() -> GetManners {
    Manners::default().gets
}

#[tokio::test(start_paused = true)]
async fn ten_objects_share_a_request() {
    let agent = agent(25);
    let gets = get_with(&agent, 25, &mut manners()).await;
    assert_eq!((gets.values.len(), gets.failed.len()), (25, 0));
    assert_eq!(agent.log().iter().map(|request| request.oids.len()).collect::<Vec<_>>(), [10, 10, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_nothing_and_no_failure() {
    let agent = agent(3);
    let gets = get_with(&agent, 4, &mut manners()).await;
    assert_eq!(gets.values[&objects(4)[3]].value, Value::Nothing);
    assert!(gets.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_big_is_halved_and_the_device_is_asked_for_less_next_time() {
    let agent = agent(10).scripted(
        |_, request: &Request, honest| {
            if request.size() > 3 { Err(SnmpError::TooBig) } else { honest }
        },
    );
    let mut manners = manners();
    assert_eq!(get_with(&agent, 10, &mut manners).await.values.len(), 10);
    agent.new_requests();
    assert_eq!(get_with(&agent, 10, &mut manners).await.values.len(), 10);
    assert!(agent.new_requests().iter().all(|request| request.size() <= 3));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_fails_never_loses_the_others() {
    for tells_which in [true, false] {
        for error in ["genErr", "noAccess"] {
            let evil = objects(20)[13].clone();
            let agent = agent(20).scripted(move |_, request: &Request, honest| {
                match request.oids.iter().position(|oid| *oid == evil) {
                    Some(at) => {
                        Err(SnmpError::Agent { status: error.into(), index: tells_which.then_some(at + 1) })
                    }
                    None => honest,
                }
            });
            let gets = get_with(&agent, 20, &mut manners()).await;
            assert_eq!(gets.values.len(), 19);
            assert_eq!(gets.failed.len(), 1);
            assert_eq!(gets.failed[0].0, objects(20)[13]);
            assert!(gets.failed[0].1.to_string().contains(error));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_such_name_of_snmp_v1_is_nothing() {
    let agent = agent(4).scripted(|_, request: &Request, honest| {
        match honest?.iter().position(|(_, value)| *value == Value::Nothing) {
            Some(at) => Err(SnmpError::Agent { status: "noSuchName".into(), index: Some(at + 1) }),
            None => Ok(request.oids.iter().map(|oid| (oid.clone(), Value::Integer(1))).collect()),
        }
    });
    let gets = get_with(&agent, 9, &mut manners()).await;
    assert_eq!(gets.values.values().filter(|scalar| scalar.value == Value::Nothing).count(), 5);
    assert!(gets.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_error_that_names_no_object_of_the_batch_ends() {
    for index in [None, Some(0), Some(99)] {
        let agent = agent(10).scripted(move |_, _, _| Err(gen_err(index)));
        assert_eq!(get_with(&agent, 10, &mut manners()).await.failed.len(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_taken_by_name_not_by_place() {
    let agent = agent(5).scripted(|_, _, honest| {
        let mut answer = honest?;
        answer.reverse();
        answer.pop();
        answer[0].1 = Value::Integer(5);
        Ok(answer)
    });
    let gets = get_with(&agent, 5, &mut manners()).await;
    assert_eq!(gets.values[&objects(5)[4]].value, Value::Integer(5));
    assert_eq!(gets.failed, [(objects(1)[0].clone(), GetError::LeftOut)]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_silences_the_agent_is_found_and_kept_apart_from_then_on() {
    let evil = objects(30)[10].clone();
    let agent = agent(30).scripted(
        move |_, request: &Request, honest| {
            if request.oids.contains(&evil) { Err(silence()) } else { honest }
        },
    );
    let mut manners = manners();
    let gets = get_with(&agent, 30, &mut manners).await;
    assert_eq!((gets.values.len(), gets.failed.len()), (29, 1));
    agent.new_requests();
    let began = Instant::now();
    let gets = get_with(&agent, 30, &mut manners).await;
    assert_eq!((gets.values.len(), gets.failed.len()), (29, 1));
    assert!(began.elapsed() < TIMEOUT + Duration::from_secs(1), "one timeout, no more");
}

#[tokio::test(start_paused = true)]
async fn a_dead_device_costs_two_timeouts_however_many_objects_there_are() {
    let agent = agent(100).scripted(|_, _, _| Err(silence()));
    let began = Instant::now();
    let gets = get_with(&agent, 100, &mut manners()).await;
    assert_eq!(began.elapsed(), 2 * TIMEOUT);
    assert_eq!(gets.failed.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_closed_port_is_asked_once() {
    let agent = agent(100).scripted(|_, _, _| Err(SnmpError::Unreachable("port closed".into())));
    assert_eq!(get_with(&agent, 100, &mut manners()).await.failed.len(), 100);
    assert_eq!(agent.log().len(), 1);
}
