//! What every new account starts with.

use serde_json::{Value, json};

/// The default credentials: protocol, name, details.
pub(crate) fn credentials() -> [(&'static str, &'static str, Value); 3] {
    // Numbers as text: that is how the backend's own web page writes them.
    let ping = json!({"n_packets": "3", "sleep_packets": "1.0", "timeout": "1.0", "retry": "0"});
    [
        ("ping", "Default ICMP ping credential (3 packets)", ping),
        (
            "snmp",
            "Default SNMP credential (SNMPv2c, 'public')",
            json!({"version": "snmpv2c", "snmpv12_community": "public"}),
        ),
        ("netflow", "Default NetFlow credential", json!({})),
    ]
}

/// The default sensors: protocol, name, default interval, details.
pub(crate) fn sensors() -> [(&'static str, &'static str, Option<u32>, Value); 5] {
    let walks = |oids: [&str; 2], expression: &str, output_path: &str| {
        let oids = oids.map(|oid| json!({"oid": oid, "fetch_method": "walk"}));
        json!({"oids": oids, "expression": expression, "output_path": output_path})
    };
    let (names, traffic_in, traffic_out) =
        ("1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.10", "1.3.6.1.2.1.2.2.1.16");
    let temperatures = ["1.3.6.1.4.1.2021.13.16.2.1.2", "1.3.6.1.4.1.2021.13.16.2.1.3"];
    [
        ("ping", "Default ICMP ping sensor", Some(60), json!({})),
        ("netflow", "Default NetFlow sensor", None, json!({})),
        (
            "snmp",
            "Traffic IN [bps]",
            Some(60),
            walks([names, traffic_in], "$2", "if.in-octets.{$index}.{$1}"),
        ),
        (
            "snmp",
            "Traffic OUT [bps]",
            Some(60),
            walks([names, traffic_out], "$2", "if.out-octets.{$index}.{$1}"),
        ),
        (
            "snmp",
            "Linux lmsensors - temperature [°C]",
            Some(60),
            walks(temperatures, "$2 / 1000.0", "lmsensors.temp.{$index}.{$1}"),
        ),
    ]
}
