//! The hub's promises, one file each: a scenario starts the `tutin` binary between real peers and looks at what came out.

mod a_bad_disk_loses_nothing;
mod a_killed_hub_loses_nothing;
mod averages_reach_every_sink;
mod blocks_are_never_lost;
mod calculations_can_be_checked;
mod devices_come_back;
mod drivers_are_replaced_without_a_gap;
mod drivers_are_tried_without_a_hub;
mod drivers_harm_only_their_device;
mod every_driver_comes_back;
mod gaps_have_causes;
mod hostile_plugins_harm_nobody;
mod lines_are_shared;
mod links_can_be_watched;
mod mistakes_are_told_precisely;
mod one_change_disturbs_one_thing;
mod plugins_are_signed;
mod plugins_come_from_registries;
mod somebody_is_told;
mod subscriptions_lose_nothing;
mod values_are_kept_bit_for_bit;
mod what_was_kept_can_be_shown;
mod what_was_missed_is_fetched;
mod what_was_seen_becomes_a_case;
mod wrong_maps_are_told;
