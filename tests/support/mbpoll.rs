//! A Modbus client that was not written by us, to read what a simulated device serves: mbpoll.

use std::process::{Command, Stdio};

use super::installed;

/// Which of the four tables, with mbpoll's own number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Coils = 0,
    DiscreteInputs = 1,
    InputRegisters = 3,
    HoldingRegisters = 4,
}

/// Reads once over Modbus TCP; addresses count from 0. Returns what mbpoll printed when it ended well, and everything it said when not.
pub fn read(address: &str, unit: u8, table: Table, from: u16, count: u16) -> Result<String, String> {
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut command = Command::new(installed("mbpoll"));
    command.args(["-m", "tcp", "-1", "-0", "-o", "2", "-p", port]);
    command.arg("-a").arg(unit.to_string()).arg("-t").arg((table as u8).to_string());
    command.arg("-r").arg(from.to_string()).arg("-c").arg(count.to_string()).arg(host);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(said) } else { Err(said + &String::from_utf8_lossy(&output.stderr)) }
}

/// The same, as the numbers after each `[address]:`.
pub fn registers(address: &str, unit: u8, table: Table, from: u16, count: u16) -> Result<Vec<u16>, String> {
    let said = read(address, unit, table, from, count)?;
    let values = said.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]:"));
    // A number above 32767 is followed by its value as a signed one, in parentheses.
    Ok(values.map(|(_, value)| value.split_whitespace().next().unwrap().parse().unwrap()).collect())
}
