use proptest::prelude::*;
use tokio::time::advance;

use super::*;
use crate::poll::Manners;
use crate::poll::scripted::{Request, Scripted, TIMEOUT, gen_err, oid, silence};

fn columns(n: u32) -> Vec<Oid> {
    (1..=n).map(|column| Oid::new([1, 3, 9, 1, column])).collect()
}

fn manners() -> BulkManners {
    Manners::default().bulk
}

async fn walk_with(agent: &Scripted, n: u32, manners: &mut BulkManners) -> Vec<Column> {
    walk(&agent.talk(), &columns(n), manners, &WalkLimits::default()).await
}

async fn walk_any_order(agent: &Scripted, n: u32) -> Vec<Column> {
    let limits = WalkLimits { any_order: true, ..WalkLimits::default() };
    walk(&agent.talk(), &columns(n), &mut manners(), &limits).await
}

fn cells(column: &Column) -> Vec<(u32, i64)> {
    let cell = |row: &Row| match row.value {
        Value::Integer(value) => (row.index[0], value),
        ref other => panic!("{other:?}"),
    };
    column.rows.iter().map(cell).collect()
}

fn all_cells(column: u32, rows: u32) -> Vec<(u32, i64)> {
    (1..=rows).map(|row| (row, i64::from(1_000 * column + row))).collect()
}

fn assert_whole_table(walked: &[Column], rows: u32) {
    for (column, n) in walked.iter().zip(1..) {
        assert_eq!(column.partial, None, "column {n}");
        assert_eq!(cells(column), all_cells(n, rows), "column {n}");
    }
}

fn bulk_requests(agent: &Scripted) -> usize {
    agent.log().iter().filter(|request| request.is_bulk()).count()
}

#[tokio::test(start_paused = true)]
async fn two_columns_of_24_rows_take_one_round_trip() {
    let agent = Scripted::table(2, 24);
    let began = Instant::now();
    assert_whole_table(&walk_with(&agent, 2, &mut manners()).await, 24);
    assert_eq!(began.elapsed(), Duration::from_millis(20));
    assert_eq!(agent.log().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_table_of_22_columns_takes_half_the_requests_of_a_walk_cell_by_cell() {
    let agent = Scripted::table(22, 24);
    assert_whole_table(&walk_with(&agent, 22, &mut manners()).await, 24);
    assert_eq!(agent.log().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_short_table_is_not_asked_for_more_rows_than_it_had() {
    let agent = Scripted::table(10, 4);
    let mut manners = manners();
    assert_whole_table(&walk_with(&agent, 10, &mut manners).await, 4);
    agent.new_requests();
    assert_whole_table(&walk_with(&agent, 10, &mut manners).await, 4);
    let requests = agent.new_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].size(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_has_grown_is_read_to_its_new_end() {
    let mut manners = manners();
    walk_with(&Scripted::table(2, 4), 2, &mut manners).await;
    assert_whole_table(&walk_with(&Scripted::table(2, 61), 2, &mut manners).await, 61);
    walk_with(&Scripted::table(2, 0), 2, &mut manners).await;
    assert_whole_table(&walk_with(&Scripted::table(2, 3), 2, &mut manners).await, 3);
}

#[tokio::test(start_paused = true)]
async fn snmp_v1_is_walked_by_getnext_with_its_columns_side_by_side() {
    let agent = Scripted::table(3, 5).without_bulk();
    assert_whole_table(&walk_with(&agent, 3, &mut manners()).await, 5);
    assert_eq!(agent.log().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn no_such_name_ends_one_column_and_not_its_neighbours() {
    // SNMPv1: what comes after the last object of all fails the whole request.
    let last = oid("1.3.9.1.2.5");
    let agent = Scripted::table(2, 5).without_bulk().scripted(move |_, request: &Request, honest| {
        let culprit = request.oids.iter().position(|oid| *oid == last);
        match culprit {
            Some(at) => Err(SnmpError::Agent { status: "noSuchName".into(), index: Some(at + 1) }),
            None => honest,
        }
    });
    assert_whole_table(&walk_with(&agent, 2, &mut manners()).await, 5);
}

#[tokio::test(start_paused = true)]
async fn an_absent_column_is_complete_and_empty() {
    let agent = Scripted::table(1, 5);
    let walked = walk(
        &agent.talk(),
        &[oid("1.3.9.9"), oid("1.3.9.1.1"), oid("1.3.5")],
        &mut manners(),
        &WalkLimits::default(),
    )
    .await;
    assert_eq!(walked.iter().map(|column| column.rows.len()).collect::<Vec<_>>(), [0, 5, 0]);
    assert!(walked.iter().all(Column::is_complete));
}

#[tokio::test(start_paused = true)]
async fn holes_are_no_rows_and_no_end() {
    let agent = Scripted::table(1, 9).and("1.3.9.1.1.4", Value::Nothing);
    let walked = walk_with(&agent, 1, &mut manners()).await;
    assert!(walked[0].is_complete());
    assert_eq!(walked[0].rows.len(), 8);
    assert!(walked[0].row(&[4]).is_none() && walked[0].row(&[5]).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_repeats_an_object_is_stopped_and_its_rows_are_kept() {
    let agent = Scripted::table(2, 90).scripted(|_, _, honest| {
        Ok(honest?
            .into_iter()
            .map(
                |(at, value)| {
                    if at >= oid("1.3.9.1.1.30") { (oid("1.3.9.1.1.30"), value) } else { (at, value) }
                },
            )
            .collect())
    });
    let walked = walk_with(&agent, 1, &mut manners()).await;
    assert_eq!(cells(&walked[0]), all_cells(1, 30));
    assert_eq!(walked[0].partial, Some(Stop::Again(oid("1.3.9.1.1.30"))));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_goes_back_out_of_a_column_has_not_shown_its_end() {
    // After its second row comes the column before.
    let agent = Scripted::table(2, 9).scripted(|_, _, honest| {
        let back = |(at, value): (Oid, Value)| {
            if at > oid("1.3.9.1.2.2") { (oid("1.3.9.1.1.8"), value) } else { (at, value) }
        };
        Ok(honest?.into_iter().map(back).collect())
    });
    let limits = WalkLimits::default();
    let walked = walk(&agent.talk(), &[oid("1.3.9.1.2")], &mut manners(), &limits).await;
    assert_eq!(cells(&walked[0]), all_cells(2, 2));
    let (before, after) = (oid("1.3.9.1.2.2"), oid("1.3.9.1.1.8"));
    assert_eq!(walked[0].partial, Some(Stop::Disorder { before, after }));

    // The column itself, as the one after itself.
    let agent =
        Scripted::table(1, 9).scripted(|_, _, honest| Ok(vec![(oid("1.3.9.1.1"), honest?.swap_remove(0).1)]));
    let walked = walk_with(&agent, 1, &mut manners()).await;
    assert_eq!(walked[0].partial, Some(Stop::Again(oid("1.3.9.1.1"))));
}

/// An agent whose rows come as 1, 2, 3, 1, 2, 3, …
fn circling() -> Scripted {
    Scripted::table(1, 3).scripted(|_, request: &Request, _| {
        let mut row = request.oids[0].arcs().get(5).copied().unwrap_or(0);
        let mut next = || {
            row = row % 3 + 1;
            (Oid::new([1, 3, 9, 1, 1, row]), Value::Integer(i64::from(1_000 + row)))
        };
        Ok((0..request.size()).map(|_| next()).collect())
    })
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_three_ends_after_its_three_rows() {
    let walked = walk_with(&circling(), 1, &mut manners()).await;
    assert_eq!(cells(&walked[0]), all_cells(1, 3));
    assert!(matches!(walked[0].partial, Some(Stop::Disorder { .. })));

    let walked = walk_any_order(&circling(), 1).await;
    assert_eq!(cells(&walked[0]), all_cells(1, 3));
    assert_eq!(walked[0].partial, Some(Stop::Circle(oid("1.3.9.1.1.1"))));
}

/// An agent whose rows come as 1, 5, 2, 4, 3.
fn unordered() -> Scripted {
    Scripted::table(2, 5).scripted(|_, request: &Request, _| {
        let order = [0, 1, 5, 2, 4, 3];
        let mut row = request.oids[0].arcs().get(5).copied().unwrap_or(0);
        let mut next = || {
            let at = order.iter().position(|other| *other == row).unwrap();
            match order.get(at + 1) {
                Some(&found) => {
                    row = found;
                    (Oid::new([1, 3, 9, 1, 1, row]), Value::Integer(i64::from(1_000 + row)))
                }
                None => (oid("1.3.9.1.2.1"), Value::Integer(2_001)),
            }
        };
        Ok((0..request.size()).map(|_| next()).collect())
    })
}

#[tokio::test(start_paused = true)]
async fn disorder_stops_a_walk_unless_it_is_allowed() {
    let walked = walk_with(&unordered(), 1, &mut manners()).await;
    assert_eq!(cells(&walked[0]), [(1, 1_001), (5, 1_005)]);
    let (before, after) = (oid("1.3.9.1.1.5"), oid("1.3.9.1.1.2"));
    assert_eq!(walked[0].partial, Some(Stop::Disorder { before, after }));

    let walked = walk_any_order(&unordered(), 1).await;
    assert_eq!(walked[0].partial, None);
    assert_eq!(cells(&walked[0]), all_cells(1, 5));
}

#[tokio::test(start_paused = true)]
async fn answers_shorter_than_asked_for_lose_nothing() {
    for length in [1, 2, 3, 7] {
        let agent = Scripted::table(3, 40).scripted(move |_, _, honest| {
            let mut answer = honest?;
            answer.truncate(length);
            Ok(answer)
        });
        assert_whole_table(&walk_with(&agent, 3, &mut manners()).await, 40);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_longer_than_asked_for_adds_nothing() {
    let agent = Scripted::table(2, 24).scripted(|_, _, honest| {
        let mut answer = honest?;
        answer.extend((50..60).map(|row| (Oid::new([1, 3, 9, 1, 1, row]), Value::Integer(0))));
        Ok(answer)
    });
    assert_whole_table(&walk_with(&agent, 2, &mut manners()).await, 24);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_answers_getbulk_is_walked_by_getnext_and_that_is_remembered() {
    let agent = Scripted::table(2, 24)
        .scripted(|_, request: &Request, honest| if request.is_bulk() { Err(silence()) } else { honest });
    let mut manners = manners();
    assert_whole_table(&walk_with(&agent, 2, &mut manners).await, 24);
    assert!(manners.without_bulk());
    assert_eq!(bulk_requests(&agent), 3);
    agent.new_requests();

    assert_whole_table(&walk_with(&agent, 2, &mut manners).await, 24);
    assert_eq!(bulk_requests(&agent), 0);

    advance(Duration::from_secs(3_601)).await;
    assert_whole_table(&walk_with(&agent, 2, &mut manners).await, 24);
    assert_eq!(bulk_requests(&agent), 1, "one try now and then");
    advance(Duration::from_secs(3_601)).await;
    agent.new_requests();
    assert_whole_table(&walk_with(&agent, 2, &mut manners).await, 24);
    assert_eq!(bulk_requests(&agent), 0, "the next try waits longer");

    let mended = Scripted::table(2, 24);
    advance(Duration::from_secs(3_601)).await;
    assert_whole_table(&walk_with(&mended, 2, &mut manners).await, 24);
    assert!(!manners.without_bulk());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_at_once_is_halved_and_remembered_and_carefully_raised_again() {
    for by_silence in [false, true] {
        let limit = 20;
        let agent = Scripted::table(4, 200).scripted(move |_, request: &Request, honest| {
            match (request.size() > limit, by_silence) {
                (false, _) => honest,
                (true, true) => Err(silence()),
                (true, false) => Err(SnmpError::TooBig),
            }
        });
        let mut manners = manners();
        assert_whole_table(&walk_with(&agent, 4, &mut manners).await, 200);
        assert!((5..=20).contains(&manners.room()), "{}", manners.room());
        let refused = |requests: Vec<Request>| requests.iter().filter(|r| r.size() > limit).count();
        assert!(refused(agent.new_requests()) <= 4);
        for _ in 0..10 {
            assert_whole_table(&walk_with(&agent, 4, &mut manners).await, 200);
        }
        assert!(refused(agent.new_requests()) <= 4, "attempts to raise it are rare");

        let mended = Scripted::table(4, 200);
        for _ in 0..100 {
            walk_with(&mended, 4, &mut manners).await;
        }
        assert_eq!(manners.room(), 50);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_fails_costs_only_the_rows_after_it_in_its_own_column() {
    for tells_which in [true, false] {
        let evil = oid("1.3.9.1.2.31");
        let agent = Scripted::table(3, 60).scripted(move |_, _, honest| {
            let answer = honest?;
            match answer.iter().position(|(oid, _)| *oid == evil) {
                Some(_) if tells_which => Err(gen_err(Some(2).filter(|_| answer.len() > 25))),
                Some(_) => Err(gen_err(None)),
                None => Ok(answer),
            }
        });
        let walked = walk_with(&agent, 3, &mut manners()).await;
        assert_eq!(cells(&walked[0]), all_cells(1, 60));
        assert_eq!(cells(&walked[1]), all_cells(2, 30));
        assert!(matches!(walked[1].partial, Some(Stop::Failed(SnmpError::Agent { .. }))));
        assert_eq!(cells(&walked[2]), all_cells(3, 60));
    }
}

#[tokio::test(start_paused = true)]
async fn a_column_that_makes_the_agent_silent_costs_only_itself() {
    let agent = Scripted::table(4, 24).scripted(|_, request: &Request, honest| {
        let evil = request.oids.iter().any(|at| at.starts_with(&oid("1.3.9.1.2")));
        if evil { Err(silence()) } else { honest }
    });
    let walked = walk_with(&agent, 4, &mut manners()).await;
    let complete: Vec<bool> = walked.iter().map(Column::is_complete).collect();
    assert_eq!(complete, [true, false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_device_costs_two_timeouts_however_many_columns_there_are() {
    let agent = Scripted::table(50, 24).scripted(|_, _, _| Err(silence()));
    let mut manners = manners();
    let began = Instant::now();
    let walked = walk_with(&agent, 50, &mut manners).await;
    assert_eq!(began.elapsed(), 2 * TIMEOUT);
    assert!(walked.iter().all(|column| column.partial == Some(Stop::Failed(silence()))));
    assert_eq!(manners.room(), 50, "a dead device teaches nothing about its manners");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_dies_in_the_middle_keeps_what_was_read() {
    let agent = Scripted::table(2, 500).scripted(|n, _, honest| if n < 5 { honest } else { Err(silence()) });
    let walked = walk_with(&agent, 2, &mut manners()).await;
    assert_eq!(cells(&walked[0]), all_cells(1, 125));
    assert_eq!(cells(&walked[1]), all_cells(2, 125));
    assert!(agent.log().len() <= 11);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_answers_without_objects_is_left_soon() {
    let agent = Scripted::table(2, 24).scripted(|_, _, _| Ok(Vec::new()));
    let walked = walk_with(&agent, 2, &mut manners()).await;
    assert!(walked.iter().all(|column| column.partial == Some(Stop::Empty)));
    assert!(agent.log().len() < 20, "{}", agent.log().len());
}

#[tokio::test(start_paused = true)]
async fn a_table_without_end_ends_at_the_limits() {
    let endless = || {
        Scripted::new([]).scripted(|_, request: &Request, _| {
            let mut row = request.oids[0].arcs().get(5).copied().unwrap_or(0);
            let mut next = || {
                row += 1;
                (Oid::new([1, 3, 9, 1, 1, row]), Value::Bytes(vec![b'x'; 100]))
            };
            Ok((0..request.size()).map(|_| next()).collect())
        })
    };
    let limits = WalkLimits { rows: 1_000, ..WalkLimits::default() };
    let walked = walk(&endless().talk(), &columns(1), &mut manners(), &limits).await;
    assert_eq!(walked[0].rows.len(), 1_000);
    assert_eq!(walked[0].partial, Some(Stop::TooManyRows(1_000)));

    let limits = WalkLimits { bytes: 50_000, ..WalkLimits::default() };
    let walked = walk(&endless().talk(), &columns(1), &mut manners(), &limits).await;
    assert!((200..500).contains(&walked[0].rows.len()));
    assert_eq!(walked[0].partial, Some(Stop::TooManyBytes(50_000)));

    let limits = WalkLimits { time: Duration::from_secs(1), ..WalkLimits::default() };
    let walked = walk(&endless().talk(), &columns(1), &mut manners(), &limits).await;
    assert_eq!(walked[0].rows.len(), 50 * 25);
    assert_eq!(walked[0].partial, Some(Stop::TooLong(Duration::from_secs(1))));
}

#[tokio::test(start_paused = true)]
async fn a_table_of_a_million_rows_gives_its_first_hundred_thousand() {
    let agent = Scripted::new([]).scripted(|_, request: &Request, _| {
        let after = request.oids[0].arcs().get(5).copied().unwrap_or(0);
        let rows = after + 1..=(after + 25).min(1_000_000);
        Ok(rows.map(|row| (Oid::new([1, 3, 9, 1, 1, row]), Value::Counter64(row.into()))).collect())
    });
    let walked = walk_with(&agent, 1, &mut manners()).await;
    assert_eq!(walked[0].rows.len(), 100_000);
    assert_eq!(walked[0].partial, Some(Stop::TooManyRows(100_000)));
}

#[tokio::test(start_paused = true)]
async fn a_column_of_exactly_the_most_rows_is_complete() {
    let limits = WalkLimits { rows: 100, ..WalkLimits::default() };
    let walked = walk(&Scripted::table(1, 100).talk(), &columns(1), &mut manners(), &limits).await;
    assert_eq!(walked[0].partial, None);
}

/// What a misbehaving agent does with its answer to a request.
#[derive(Clone, Copy, Debug)]
enum Whim {
    Honest,
    Silent,
    TooBig,
    GenErr(Option<usize>),
    Truncated(usize),
    Reversed,
    Again,
    Elsewhere,
    Nothings,
    Transport,
}

fn whim() -> impl Strategy<Value = Whim> {
    prop_oneof![
        4 => Just(Whim::Honest),
        1 => Just(Whim::Silent),
        1 => Just(Whim::TooBig),
        1 => prop::option::of(0..9usize).prop_map(Whim::GenErr),
        2 => (0..9usize).prop_map(Whim::Truncated),
        1 => Just(Whim::Reversed),
        1 => Just(Whim::Again),
        1 => Just(Whim::Elsewhere),
        1 => Just(Whim::Nothings),
        1 => Just(Whim::Transport),
    ]
}

fn misbehave(whim: Whim, answer: Vec<(Oid, Value)>) -> Result<Vec<(Oid, Value)>, SnmpError> {
    match whim {
        Whim::Honest => Ok(answer),
        Whim::Silent => Err(silence()),
        Whim::TooBig => Err(SnmpError::TooBig),
        Whim::GenErr(index) => Err(gen_err(index)),
        Whim::Truncated(length) => Ok(answer.into_iter().take(length).collect()),
        Whim::Reversed => Ok(answer.into_iter().rev().collect()),
        Whim::Again => Ok(answer.first().cloned().into_iter().cycle().take(answer.len()).collect()),
        Whim::Elsewhere => Ok(answer.into_iter().map(|(_, value)| (oid("1.3.1"), value)).collect()),
        Whim::Nothings => Ok(answer.into_iter().map(|(oid, _)| (oid, Value::Nothing)).collect()),
        Whim::Transport => Err(SnmpError::Transport("noise".into())),
    }
}

fn in_simulated_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

proptest! {
    #[test]
    fn a_well_behaved_agent_gives_exactly_its_table_whatever_is_asked_for_at_once(
        table in prop::collection::btree_set((1..6u32, prop::collection::vec(0..4u32, 1..4)), 0..150),
        max_repetitions in 1..60u32,
        bulk: bool,
        limit in 1..100usize,
        truncated in 1..80usize,
    ) {
        let cell = |(column, index): &(u32, Vec<u32>)| {
            (Oid::new([1, 3, 9, 1, *column]).child(index), Value::Integer(7))
        };
        let mut agent = Scripted::new(table.iter().map(cell)).scripted(move |_, request: &Request, honest| {
            if request.size() > limit {
                return Err(SnmpError::TooBig);
            }
            let mut answer = honest?;
            answer.truncate(truncated);
            Ok(answer)
        });
        if !bulk {
            agent = agent.without_bulk();
        }
        let mut manners = Manners::new(max_repetitions, 10).bulk;
        // Twice: the second time with what the first has taught.
        for _ in 0..2 {
            let walked = in_simulated_time(walk_with(&agent, 6, &mut manners));
            for (column, n) in walked.iter().zip(1..) {
                prop_assert_eq!(&column.partial, &None);
                let expected: Vec<&[u32]> =
                    table.iter().filter(|(column, _)| *column == n).map(|(_, index)| &**index).collect();
                let found: Vec<&[u32]> = column.rows.iter().map(|row| &*row.index).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn no_agent_makes_a_walk_endless_or_exceed_its_limits(
        rows in 0..200u32,
        whims in prop::collection::vec(whim(), 1..40),
        any_order: bool,
        most_rows in 1..150usize,
        most_bytes in 1_000..30_000usize,
    ) {
        let agent = Scripted::table(4, rows)
            .scripted(move |n, _, honest| misbehave(whims[n % whims.len()], honest?));
        let limits = WalkLimits {
            rows: most_rows,
            bytes: most_bytes,
            time: Duration::from_secs(3_000),
            any_order,
        };
        let walked =
            in_simulated_time(async { walk(&agent.talk(), &columns(4), &mut manners(), &limits).await });
        // Each request brings a row, ends a column, or makes the next one smaller.
        prop_assert!(agent.log().len() < 3_000, "{} requests", agent.log().len());
        let bytes = walked.iter().flat_map(|c| &c.rows).map(|row| size_of::<Row>() + 4 * row.index.len());
        prop_assert!(bytes.sum::<usize>() <= most_bytes + 100);
        for (column, oid) in walked.iter().zip(columns(4)) {
            prop_assert_eq!(&column.oid, &oid);
            prop_assert!(column.rows.len() <= most_rows);
            prop_assert!(column.rows.is_sorted_by(|a, b| a.index < b.index));
        }
    }
}
