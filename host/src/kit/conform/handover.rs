//! Being replaced under way: snapshots that are whole, and such that are not.

use super::Trial;
use super::report::Outcome;
use crate::plugin;

pub(super) async fn snapshot(trial: &Trial<'_>) -> Outcome {
    let mut actor = match trial.actor().await {
        Ok(actor) => actor,
        Err(outcome) => return outcome,
    };
    let known = match trial.read(&mut actor).await {
        Ok(known) => known,
        Err(outcome) => return outcome,
    };
    let mut faults = Vec::new();
    if let Err(reason) = actor.leave().await {
        faults.push(format!("when it was asked for its snapshot: {reason}"));
    }
    let (snapshot, has_one) = (actor.snapshot().to_vec(), actor.features().snapshot());
    if faults.is_empty() {
        trial.back(&mut actor, &known, &mut faults).await;
    }
    drop(actor);
    let half = snapshot.get(..snapshot.len() / 2).unwrap_or_default().to_vec();
    let other: Vec<u8> = snapshot.iter().map(|byte| !byte).collect();
    let longer = [snapshot.as_slice(), b"\xff\x00\xfe"].concat();
    let damaged = [("half of one", half), ("another's", other), ("one that is too long", longer), ("noise", noise())];
    for (what, damaged) in damaged {
        let fault = match restored(trial, &damaged).await {
            Ok(fault) => fault,
            Err(outcome) => return outcome,
        };
        faults.extend(fault.map(|reason| format!("when it was given {what} as its snapshot: {reason}")));
    }
    let seen = match snapshot.len() {
        _ if !has_one => "it keeps nothing".into(),
        // The contract allows it: "empty when nothing".
        0 => "there was nothing to hand over; what is no snapshot does it no harm".into(),
        size => format!("{size} bytes; damaged ones do it no harm"),
    };
    Outcome::of(faults, seen)
}

/// What went wrong when a fresh instance was given these bytes; a refusal in words is right.
async fn restored(trial: &Trial<'_>, bytes: &[u8]) -> Result<Option<String>, Outcome> {
    let actor = trial.actor().await?;
    let mut opened = match plugin::open(&actor.stage.single.spec).await {
        Ok(opened) => opened,
        Err(error) => return Ok(Some(crate::hub::describe(&error))),
    };
    Ok(opened.driver.restore(bytes).await.err().map(|error| error.to_string()))
}

fn noise() -> Vec<u8> {
    (0..997_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
