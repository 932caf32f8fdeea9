//! Examples of the vendors, byte for byte: what stands in `tests/families/FAMILY/frames`.

use crate::support::Opened;
use tutin_sdk::modbus::Table;
use tutin_sdk::modbus::fake::Bank;

/// The bytes of the line that begins with this word.
fn frame(family: &str, file: &str, word: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(crate::support::folder(family).join("frames").join(file)).unwrap();
    assert!(text.contains("# Origin: "), "{file} does not say where it is from");
    let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap();
    line.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Modbus over serial line V1.02, 6.2.2: polynomial 0xA001, low byte first.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc: u16 = 0xFFFF;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
        }
    }
    crc.to_le_bytes()
}

#[test]
fn the_checksums_of_the_vendors_frames_agree() {
    let check = |frame: Vec<u8>| {
        let (bytes, sum) = frame.split_at(frame.len() - 2);
        assert_eq!(crc(bytes), sum, "{frame:02X?}");
    };
    check(frame("sick-visic100sf", "rtu-read-k-value.txt", "request"));
    check(frame("sick-visic100sf", "rtu-read-k-value.txt", "reply"));
    check(frame("siemens-mag6000", "rtu-report-slave-id.txt", "request"));
}

#[test]
fn the_map_reads_the_vendors_example_as_the_vendor_does() {
    let request = frame("sick-visic100sf", "rtu-read-k-value.txt", "request");
    let reply = frame("sick-visic100sf", "rtu-read-k-value.txt", "reply");
    let word = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    assert_eq!((request[1], reply[1], reply[2]), (3, 3, 4), "function 3, two registers");
    let bank = Bank::new();
    bank.set(Table::Holding, word(&request[2..]), &[word(&reply[3..]), word(&reply[5..])]);
    bank.set(Table::Holding, 102, &[0]).set(Table::Holding, 127, &[0, 0]);
    let site = serde_json::json!({
        "only": ["k_value"], "units": {"k_value": "/m"}, "tables": {"value_status": {"0": "valid"}}
    });

    let samples =
        Opened::new(&bank, &crate::support::settings("sick-visic100sf", &site).unwrap()).unwrap().read().unwrap();

    let value = samples.iter().next().unwrap().value;
    // The manual gives seven digits.
    assert!((value - 0.781_912_3).abs() < 5e-8, "{value}");
}
