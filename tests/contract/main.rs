//! What bots rely on, asked of every backend alike: the fake, the hub, and the one at `CONTRACT_URL` (with `/api`), as
//! the bot whose token is in `CONTRACT_TOKEN`. That bot has to see one account at least, and to be allowed to write values
//! and entities there; what it creates it deletes, but for values below `contract.`.
//!
//! ```sh
//! CONTRACT_URL=https://grafolean.example.org/api CONTRACT_TOKEN=… \
//!     cargo test -p grafoleancollector --all-features --test contract
//! ```
//!
//! Where backends differ on purpose, `differences` says so, and nothing else does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]

mod conversation;
mod differences;
mod entities;
mod extras;
mod identity;
mod lists;
mod peer;
mod values;

/// Runs each scenario against each backend, as a test of its own.
macro_rules! contract {
    ($($module:ident: $($scenario:ident),+;)+) => {
        contract!(@peer fake_backend, crate::peer::fake(); $($module: $($scenario),+;)+);
        contract!(@peer hub, crate::peer::hub(); $($module: $($scenario),+;)+);
        contract!(@peer contract_url, crate::peer::given(); $($module: $($scenario),+;)+);
    };
    (@peer $peer:ident, $start:expr; $($module:ident: $($scenario:ident),+;)+) => {
        mod $peer {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    if let Some(peer) = $start.await {
                        crate::$module::$scenario(&peer).await;
                        peer.leave().await;
                    }
                })+
            })+
        }
    };
}

contract! {
    identity:
        the_status_says_that_it_is_ready_to_anybody,
        the_profile_says_that_this_is_a_bot,
        an_unknown_token_is_denied,
        an_account_that_is_not_ours_is_denied,
        a_trailing_slash_makes_no_difference;
    lists:
        the_account_list_has_ids_and_names,
        a_new_account_has_the_default_credentials_and_sensors,
        a_record_is_the_same_alone_as_in_its_list,
        what_is_not_there_is_not_found;
    entities:
        an_interface_is_created_changed_and_deleted,
        an_entity_without_its_name_type_or_details_is_refused,
        a_device_with_a_protocol_is_listed_with_it;
    values:
        values_put_twice_are_stored_once,
        posted_values_get_one_time,
        a_time_has_six_decimals_as_a_number_or_a_text,
        an_encoded_dot_stays_as_it_is,
        posting_nothing_is_refused,
        posting_a_time_is_refused,
        putting_without_a_time_is_refused,
        what_is_no_list_of_values_is_refused,
        one_invalid_path_refuses_the_whole_list_and_is_named,
        a_value_twice_in_one_list_refuses_it,
        a_value_that_is_no_number_refuses_the_list,
        a_path_of_the_system_is_refused,
        values_that_are_not_finite_are_never_ours,
        a_long_list_of_new_paths_is_taken;
    conversation:
        a_bot_measures_what_is_configured_and_its_values_are_stored;
    extras:
        changes_are_told_where_they_are_offered,
        problems_are_taken_where_they_are_offered;
}
