//! What stands between the double ampersands of a data message.
//!
//! Items are split by `;`, the values of an item by `,`. An item without a pollutant is about all that follow: `DataTime`. A value is
//! `code-Field=value`; `Flag` and `EFlag` say what the values of that code are worth, `SampleTime` when they were taken.
//!
//! ```text
//! DataTime=20261101080000;a21026-Rtd=286.00,a21026-ZsRtd=317.78,a21026-Flag=N;a19001-Rtd=7.5,a19001-Flag=N
//! ```

/// The values of one pollutant at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub code: &'a str,
    /// As the station wrote it: of the message, or of the pollutant where it has its own.
    pub time: &'a str,
    /// Field and value, without the fields that describe.
    pub values: Vec<(&'a str, &'a str)>,
    pub flag: &'a str,
    pub vendor_flag: &'a str,
}

/// The groups of a content, in its order.
pub(crate) fn groups<'a>(content: &'a str) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut time = "";
    let mut since = 0;
    for text in content.split([';', ',']) {
        let Some((name, value)) = text.trim().split_once('=') else { continue };
        let Some((code, field)) = name.split_once('-') else {
            if name == "DataTime" {
                time = value;
                since = groups.len();
            }
            continue;
        };
        let of_this_time = groups.iter().skip(since).position(|group| group.code == code);
        let at = of_this_time.map_or(groups.len(), |at| at + since);
        if at == groups.len() {
            groups.push(Group { code, time, ..Group::default() });
        }
        let Some(group) = groups.get_mut(at) else { continue };
        match field {
            "Flag" => group.flag = value,
            "EFlag" => group.vendor_flag = value,
            "SampleTime" => group.time = value,
            field => group.values.push((field, value)),
        }
    }
    groups
}

/// A plain member, as `QnRtn` or `ExeRtn`.
pub(crate) fn member<'a>(content: &'a str, name: &str) -> Option<&'a str> {
    content.split([';', ',']).find_map(|text| text.trim().strip_prefix(name)?.strip_prefix('='))
}

/// A decimal number; nothing for words such as `NaN`, which a station does not mean as a number.
pub(crate) fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_pollutant_belong_together_wherever_they_stand() {
        let groups = groups("DataTime=20261101080000;a21026-Rtd=1,a21026-Flag=N;B01-Rtd=2;a21026-ZsRtd=3");

        assert_eq!(groups.len(), 2);
        assert_eq!((groups[0].code, groups[0].flag), ("a21026", "N"));
        assert_eq!(groups[0].values, [("Rtd", "1"), ("ZsRtd", "3")]);
        assert_eq!((groups[1].code, groups[1].flag, groups[1].time), ("B01", "", "20261101080000"));
    }

    #[test]
    fn a_second_time_begins_groups_of_its_own() {
        let groups = groups("DataTime=1;a-Avg=1,a-Flag=N;DataTime=2;a-Avg=2,a-Flag=D;b-SampleTime=3,b-Avg=4");

        let read: Vec<_> = groups.iter().map(|group| (group.code, group.time, group.flag)).collect();
        assert_eq!(read, [("a", "1", "N"), ("a", "2", "D"), ("b", "3", "")]);
    }

    #[test]
    fn only_a_decimal_number_is_a_number() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(number(text), expected, "{text:?}");
        check("286.00", Some(286.0));
        check("-0.5", Some(-0.5));
        check("1.2E3", Some(1200.0));
        check("", None);
        check("NaN", None);
        check("inf", None);
        check("--", None);
    }
}
