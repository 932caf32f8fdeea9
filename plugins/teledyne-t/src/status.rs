//! From discrete inputs to states.
//!
//! The inputs from 0 on speak of the whole instrument; those of an optional sensor's block speak of its gas only. The raw
//! status of a sample has input i of the first kind in bit i (0 to 31), and those of the gas's own block, in order, from bit 32.

use tutin_sdk::settings::{nearest, wrong};
use tutin_sdk::{Failure, Qualifier, Qualifiers, State};

use crate::map::{Block, Input, Map, Meaning};
use crate::settings::{Generation, Model, Settings};

/// Inputs that read as one block, with what each means.
#[derive(Debug)]
pub(crate) struct StatusBlock {
    pub block: Option<Block>,
    pub address: u16,
    /// One for each input, in order.
    effects: Vec<Effect>,
}

/// What one input does when it is on (or off, for the last).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    Measured(State),
    Everything(State),
    Alarm(&'static str),
    UnlessOn(State),
}

/// What the inputs of one poll say.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Of all values.
    pub everything: State,
    /// Of concentrations and what is computed from them.
    pub measured: State,
    /// Gases above a limit.
    alarms: Vec<&'static str>,
    /// The inputs from 0 on.
    pub status: u64,
    /// Of the gas with an own block: its state and its inputs, from bit 32 on.
    gases: Vec<(Block, State, u64)>,
}

impl StatusBlock {
    /// Which inputs to read for these settings, and what they mean. The first is the one from 0 on.
    pub fn plan(settings: &Settings) -> Result<Vec<StatusBlock>, Failure> {
        let map = Map::of(settings.model);
        check_names(map, settings)?;
        let mut blocks = vec![main_block(map, settings)?];
        for block in &settings.blocks {
            let inputs: Vec<&Input> = map.inputs.iter().filter(|input| input.block == Some(*block)).collect();
            if let Some(address) = inputs.iter().map(|input| input.number).min() {
                let numbered = inputs.iter().map(|input| (input.number - address, *input));
                blocks.push(StatusBlock { block: Some(*block), address, effects: effects(numbered, settings) });
            }
        }
        Ok(blocks)
    }

    pub fn count(&self) -> u16 {
        u16::try_from(self.effects.len()).unwrap_or(u16::MAX)
    }
}

impl Verdict {
    /// Takes in what the inputs of a block say.
    pub fn add(&mut self, block: &StatusBlock, inputs: &[bool]) {
        let mut measured = State::Valid;
        let mut word = 0;
        for ((bit, is_on), effect) in (0..).zip(inputs).zip(&block.effects) {
            word |= u64::from(*is_on) << bit;
            match effect {
                Effect::UnlessOn(state) if !is_on => measured = measured.or_worse(*state),
                Effect::Measured(state) if *is_on => measured = measured.or_worse(*state),
                Effect::Everything(state) if *is_on => self.everything = self.everything.or_worse(*state),
                Effect::Alarm(gas) if *is_on => self.alarms.push(gas),
                _ => {}
            }
        }
        match block.block {
            None => {
                self.measured = self.measured.or_worse(measured);
                self.status = word;
            }
            Some(of) => self.gases.push((of, measured, word << 32)),
        }
    }

    /// Notes that the inputs of an optional block could not be read: nothing is known of its gas.
    pub fn add_unknown(&mut self, block: Block) {
        self.gases.push((block, State::Fault, 0));
    }

    /// State and raw status from the optional block that a value belongs to.
    pub fn of_block(&self, block: Option<Block>) -> (State, u64) {
        let of = self.gases.iter().find(|(of, ..)| Some(*of) == block);
        of.map_or((State::Valid, 0), |(_, state, word)| (*state, *word))
    }

    /// Remarks on a gas.
    pub fn remarks(&self, gas: &str) -> Qualifiers {
        if self.alarms.contains(&gas) { Qualifier::AboveLimit.into() } else { Qualifiers::NONE }
    }
}

fn main_block(map: &Map, settings: &Settings) -> Result<StatusBlock, Failure> {
    let mut numbered: Vec<(u16, &Input)> = Vec::new();
    for input in map.inputs.iter().filter(|input| input.block.is_none()) {
        let Some(number) = number(input, settings) else { continue };
        if number > 31 {
            return Err(wrong(&format!("inputs.{}", input.id), "must be 0 to 31"));
        }
        if let Some((_, other)) = numbered.iter().find(|(taken, _)| *taken == number) {
            let why = format!("input {number} is {} already; give that one another number", other.id);
            return Err(wrong(&format!("inputs.{}", input.id), why));
        }
        numbered.push((number, input));
    }
    check_is_enough(&numbered)?;
    Ok(StatusBlock { block: None, address: 0, effects: effects(numbered.into_iter(), settings) })
}

/// Where the input stands; `None` when no source says so for this generation.
fn number(input: &Input, settings: &Settings) -> Option<u16> {
    if let Some(number) = settings.inputs.get(input.id) {
        return Some(*number);
    }
    match (settings.generation, input.id) {
        (Some(Generation::RevF0b), "izs_temp_warn") => Some(3),
        (Some(Generation::RevF0b), "box_temp_warn") => Some(4),
        (Some(Generation::RevF0b), _) => None,
        _ => Some(input.number),
    }
}

/// Without these a driver could call a zero gas or an invalid value a valid measurement.
fn check_is_enough(numbered: &[(u16, &Input)]) -> Result<(), Failure> {
    let needed = ["in_zero_cal", "in_span_cal", "in_multi_point_cal", "invalid_conc"];
    let missing: Vec<&str> =
        needed.into_iter().filter(|id| !numbered.iter().any(|(_, input)| input.id == *id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "of generation rev_f0b only izs_temp_warn (3) and box_temp_warn (4) are known; take the numbers of {} from the \
         instrument's manual, appendix A",
        missing.join(", ")
    );
    Err(wrong("inputs", why))
}

/// One effect per input from the first to the last. An input that the map does not know makes values suspect.
fn effects<'a>(numbered: impl Iterator<Item = (u16, &'a Input)>, settings: &Settings) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (number, input) in numbered {
        let at = usize::from(number);
        if effects.len() <= at {
            effects.resize(at + 1, Effect::Measured(State::Suspect));
        }
        if let Some(effect) = effects.get_mut(at) {
            *effect = self::effect(input, settings);
        }
    }
    effects
}

fn effect(input: &Input, settings: &Settings) -> Effect {
    match (input.meaning, settings.status_rules.get(input.id)) {
        (Meaning::State(_), Some(state)) => Effect::Measured(*state),
        (Meaning::Everything(_), Some(state)) => Effect::Everything(*state),
        (Meaning::State(state), None) => Effect::Measured(state),
        (Meaning::Everything(state), None) => Effect::Everything(state),
        (Meaning::Alarm(gas), _) => Effect::Alarm(gas),
        (Meaning::SystemOk, _) => Effect::UnlessOn(settings.system_not_ok),
    }
}

fn check_names(map: &Map, settings: &Settings) -> Result<(), Failure> {
    for name in settings.status_rules.keys() {
        let has_state = |input: &&Input| matches!(input.meaning, Meaning::State(_) | Meaning::Everything(_));
        check_name(name, "status_rules", map.inputs.iter().filter(has_state))?;
    }
    for name in settings.inputs.keys() {
        check_name(name, "inputs", map.inputs.iter().filter(|input| input.block.is_none()))?;
    }
    Ok(())
}

fn check_name<'a>(name: &str, member: &str, known: impl Iterator<Item = &'a Input> + Clone) -> Result<(), Failure> {
    if known.clone().any(|input| input.id == name) {
        return Ok(());
    }
    let meant = nearest(name, known.map(|input| input.id)).map_or(String::new(), |id| format!("; did you mean {id}?"));
    Err(wrong(&format!("{member}.{name}"), format_args!("this model has no such input{meant}")))
}

/// What the sources support: the map of a model in a generation.
pub(crate) fn check_generation(settings: &Settings) -> Result<(), Failure> {
    let no = |why: &str| Err(wrong("generation", why));
    match (settings.model, settings.generation) {
        (Model::E100 | Model::E100U, Some(Generation::RevF0b)) => Ok(()),
        (_, Some(Generation::RevF0b)) => no("the sources know rev_f0b of the models 100E and 100EU only"),
        (Model::E100U, _) => no("the sources know the model 100EU in generation rev_f0b only"),
        (_, Some(Generation::Current)) => Ok(()),
        (model, None) if model.is_t_series() => Ok(()),
        (_, None) => no("an E model needs one, current or rev_f0b: the numbers of the discrete inputs differ"),
    }
}
