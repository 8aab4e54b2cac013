//! The objects that have names here: those that people ask for by name.

use super::Kind::{self, Column, Node, Scalar};

/// Objects of one kind next to each other.
pub(super) struct Group {
    pub(super) module: &'static str,
    pub(super) kind: Kind,
    pub(super) under: &'static [u32],
    /// The last number, and the name.
    pub(super) names: &'static [(u32, &'static str)],
}

const fn group(
    module: &'static str,
    kind: Kind,
    under: &'static [u32],
    names: &'static [(u32, &'static str)],
) -> Group {
    Group { module, kind, under, names }
}

/// Sorted by OID.
#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    group("SNMPv2-SMI", Node, &[1, 3, 6], &[(1, "internet")]),
    group("SNMPv2-SMI", Node, &[1, 3, 6, 1, 2], &[(1, "mib-2")]),
    group("SNMPv2-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(1, "system")]),
    group("SNMPv2-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 1], &[
        (1, "sysDescr"), (2, "sysObjectID"), (3, "sysUpTime"), (4, "sysContact"), (5, "sysName"),
        (6, "sysLocation"), (7, "sysServices"), (8, "sysORLastChange"),
    ]),
    group("SNMPv2-MIB", Column, &[1, 3, 6, 1, 2, 1, 1, 9, 1], &[(2, "sysORID"), (3, "sysORDescr"), (4, "sysORUpTime")]),
    group("IF-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(2, "interfaces")]),
    group("IF-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 2], &[(1, "ifNumber")]),
    group("IF-MIB", Node, &[1, 3, 6, 1, 2, 1, 2], &[(2, "ifTable")]),
    group("IF-MIB", Node, &[1, 3, 6, 1, 2, 1, 2, 2], &[(1, "ifEntry")]),
    group("IF-MIB", Column, &[1, 3, 6, 1, 2, 1, 2, 2, 1], &[
        (1, "ifIndex"), (2, "ifDescr"), (3, "ifType"), (4, "ifMtu"), (5, "ifSpeed"), (6, "ifPhysAddress"),
        (7, "ifAdminStatus"), (8, "ifOperStatus"), (9, "ifLastChange"), (10, "ifInOctets"),
        (11, "ifInUcastPkts"), (12, "ifInNUcastPkts"), (13, "ifInDiscards"), (14, "ifInErrors"),
        (15, "ifInUnknownProtos"), (16, "ifOutOctets"), (17, "ifOutUcastPkts"), (18, "ifOutNUcastPkts"),
        (19, "ifOutDiscards"), (20, "ifOutErrors"), (21, "ifOutQLen"), (22, "ifSpecific"),
    ]),
    group("IP-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(4, "ip")]),
    group("IP-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 4], &[
        (1, "ipForwarding"), (2, "ipDefaultTTL"), (3, "ipInReceives"), (4, "ipInHdrErrors"),
        (5, "ipInAddrErrors"), (6, "ipForwDatagrams"), (7, "ipInUnknownProtos"), (8, "ipInDiscards"),
        (9, "ipInDelivers"), (10, "ipOutRequests"), (11, "ipOutDiscards"), (12, "ipOutNoRoutes"),
        (13, "ipReasmTimeout"), (14, "ipReasmReqds"), (15, "ipReasmOKs"), (16, "ipReasmFails"),
        (17, "ipFragOKs"), (18, "ipFragFails"), (19, "ipFragCreates"),
    ]),
    group("IP-MIB", Column, &[1, 3, 6, 1, 2, 1, 4, 20, 1], &[
        (1, "ipAdEntAddr"), (2, "ipAdEntIfIndex"), (3, "ipAdEntNetMask"), (4, "ipAdEntBcastAddr"),
    ]),
    group("IP-MIB", Column, &[1, 3, 6, 1, 2, 1, 4, 22, 1], &[
        (1, "ipNetToMediaIfIndex"), (2, "ipNetToMediaPhysAddress"), (3, "ipNetToMediaNetAddress"),
        (4, "ipNetToMediaType"),
    ]),
    group("IP-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(5, "icmp")]),
    group("IP-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 5], &[
        (1, "icmpInMsgs"), (2, "icmpInErrors"), (3, "icmpInDestUnreachs"), (8, "icmpInEchos"),
        (9, "icmpInEchoReps"), (14, "icmpOutMsgs"), (15, "icmpOutErrors"), (16, "icmpOutDestUnreachs"),
        (21, "icmpOutEchos"), (22, "icmpOutEchoReps"),
    ]),
    group("TCP-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(6, "tcp")]),
    group("TCP-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 6], &[
        (1, "tcpRtoAlgorithm"), (2, "tcpRtoMin"), (3, "tcpRtoMax"), (4, "tcpMaxConn"), (5, "tcpActiveOpens"),
        (6, "tcpPassiveOpens"), (7, "tcpAttemptFails"), (8, "tcpEstabResets"), (9, "tcpCurrEstab"),
        (10, "tcpInSegs"), (11, "tcpOutSegs"), (12, "tcpRetransSegs"), (14, "tcpInErrs"), (15, "tcpOutRsts"),
        (17, "tcpHCInSegs"), (18, "tcpHCOutSegs"),
    ]),
    group("UDP-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(7, "udp")]),
    group("UDP-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 7], &[
        (1, "udpInDatagrams"), (2, "udpNoPorts"), (3, "udpInErrors"), (4, "udpOutDatagrams"),
        (8, "udpHCInDatagrams"), (9, "udpHCOutDatagrams"),
    ]),
    group("EtherLike-MIB", Column, &[1, 3, 6, 1, 2, 1, 10, 7, 2, 1], &[
        (2, "dot3StatsAlignmentErrors"), (3, "dot3StatsFCSErrors"), (4, "dot3StatsSingleCollisionFrames"),
        (5, "dot3StatsMultipleCollisionFrames"), (8, "dot3StatsLateCollisions"),
        (9, "dot3StatsExcessiveCollisions"), (13, "dot3StatsFrameTooLongs"), (19, "dot3StatsDuplexStatus"),
    ]),
    group("SNMPv2-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(11, "snmp")]),
    group("SNMPv2-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 11], &[
        (1, "snmpInPkts"), (2, "snmpOutPkts"), (3, "snmpInBadVersions"), (4, "snmpInBadCommunityNames"),
        (5, "snmpInBadCommunityUses"), (6, "snmpInASNParseErrs"), (13, "snmpInTotalReqVars"),
        (15, "snmpInGetRequests"), (16, "snmpInGetNexts"), (20, "snmpOutTooBigs"), (22, "snmpOutBadValues"),
        (24, "snmpOutGenErrs"), (28, "snmpOutGetResponses"), (30, "snmpEnableAuthenTraps"), (31, "snmpSilentDrops"),
    ]),
    group("BRIDGE-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 17, 1], &[(1, "dot1dBaseBridgeAddress"), (2, "dot1dBaseNumPorts")]),
    group("BRIDGE-MIB", Column, &[1, 3, 6, 1, 2, 1, 17, 4, 3, 1], &[
        (1, "dot1dTpFdbAddress"), (2, "dot1dTpFdbPort"), (3, "dot1dTpFdbStatus"),
    ]),
    group("HOST-RESOURCES-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(25, "host")]),
    group("HOST-RESOURCES-MIB", Node, &[1, 3, 6, 1, 2, 1, 25], &[(1, "hrSystem")]),
    group("HOST-RESOURCES-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 25, 1], &[
        (1, "hrSystemUptime"), (2, "hrSystemDate"), (5, "hrSystemNumUsers"), (6, "hrSystemProcesses"),
        (7, "hrSystemMaxProcesses"),
    ]),
    group("HOST-RESOURCES-MIB", Node, &[1, 3, 6, 1, 2, 1, 25], &[(2, "hrStorage")]),
    group("HOST-RESOURCES-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 25, 2], &[(2, "hrMemorySize")]),
    group("HOST-RESOURCES-MIB", Node, &[1, 3, 6, 1, 2, 1, 25, 2], &[(3, "hrStorageTable")]),
    group("HOST-RESOURCES-MIB", Column, &[1, 3, 6, 1, 2, 1, 25, 2, 3, 1], &[
        (1, "hrStorageIndex"), (2, "hrStorageType"), (3, "hrStorageDescr"), (4, "hrStorageAllocationUnits"),
        (5, "hrStorageSize"), (6, "hrStorageUsed"), (7, "hrStorageAllocationFailures"),
    ]),
    group("HOST-RESOURCES-MIB", Node, &[1, 3, 6, 1, 2, 1, 25], &[(3, "hrDevice")]),
    group("HOST-RESOURCES-MIB", Column, &[1, 3, 6, 1, 2, 1, 25, 3, 2, 1], &[
        (1, "hrDeviceIndex"), (2, "hrDeviceType"), (3, "hrDeviceDescr"), (4, "hrDeviceID"), (5, "hrDeviceStatus"),
        (6, "hrDeviceErrors"),
    ]),
    group("HOST-RESOURCES-MIB", Column, &[1, 3, 6, 1, 2, 1, 25, 3, 3, 1], &[(1, "hrProcessorFrwID"), (2, "hrProcessorLoad")]),
    group("HOST-RESOURCES-MIB", Column, &[1, 3, 6, 1, 2, 1, 25, 3, 5, 1], &[
        (1, "hrPrinterStatus"), (2, "hrPrinterDetectedErrorState"),
    ]),
    group("HOST-RESOURCES-MIB", Column, &[1, 3, 6, 1, 2, 1, 25, 3, 8, 1], &[
        (1, "hrFSIndex"), (2, "hrFSMountPoint"), (3, "hrFSRemoteMountPoint"), (4, "hrFSType"), (5, "hrFSAccess"),
        (7, "hrFSStorageIndex"),
    ]),
    group("HOST-RESOURCES-MIB", Column, &[1, 3, 6, 1, 2, 1, 25, 4, 2, 1], &[
        (1, "hrSWRunIndex"), (2, "hrSWRunName"), (4, "hrSWRunPath"), (5, "hrSWRunParameters"), (6, "hrSWRunType"),
        (7, "hrSWRunStatus"),
    ]),
    group("HOST-RESOURCES-MIB", Column, &[1, 3, 6, 1, 2, 1, 25, 5, 1, 1], &[(1, "hrSWRunPerfCPU"), (2, "hrSWRunPerfMem")]),
    group("IF-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(31, "ifMIB")]),
    group("IF-MIB", Node, &[1, 3, 6, 1, 2, 1, 31, 1], &[(1, "ifXTable")]),
    group("IF-MIB", Node, &[1, 3, 6, 1, 2, 1, 31, 1, 1], &[(1, "ifXEntry")]),
    group("IF-MIB", Column, &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1], &[
        (1, "ifName"), (2, "ifInMulticastPkts"), (3, "ifInBroadcastPkts"), (4, "ifOutMulticastPkts"),
        (5, "ifOutBroadcastPkts"), (6, "ifHCInOctets"), (7, "ifHCInUcastPkts"), (8, "ifHCInMulticastPkts"),
        (9, "ifHCInBroadcastPkts"), (10, "ifHCOutOctets"), (11, "ifHCOutUcastPkts"),
        (12, "ifHCOutMulticastPkts"), (13, "ifHCOutBroadcastPkts"), (14, "ifLinkUpDownTrapEnable"),
        (15, "ifHighSpeed"), (16, "ifPromiscuousMode"), (17, "ifConnectorPresent"), (18, "ifAlias"),
        (19, "ifCounterDiscontinuityTime"),
    ]),
    group("UPS-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 33, 1, 1], &[(1, "upsIdentManufacturer"), (2, "upsIdentModel")]),
    group("UPS-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 33, 1, 2], &[
        (1, "upsBatteryStatus"), (2, "upsSecondsOnBattery"), (3, "upsEstimatedMinutesRemaining"),
        (4, "upsEstimatedChargeRemaining"), (5, "upsBatteryVoltage"), (6, "upsBatteryCurrent"),
        (7, "upsBatteryTemperature"),
    ]),
    group("UPS-MIB", Column, &[1, 3, 6, 1, 2, 1, 33, 1, 3, 3, 1], &[
        (2, "upsInputFrequency"), (3, "upsInputVoltage"), (4, "upsInputCurrent"), (5, "upsInputTruePower"),
    ]),
    group("UPS-MIB", Scalar, &[1, 3, 6, 1, 2, 1, 33, 1, 4], &[(1, "upsOutputSource"), (2, "upsOutputFrequency")]),
    group("UPS-MIB", Column, &[1, 3, 6, 1, 2, 1, 33, 1, 4, 4, 1], &[
        (2, "upsOutputVoltage"), (3, "upsOutputCurrent"), (4, "upsOutputPower"), (5, "upsOutputPercentLoad"),
    ]),
    group("ENTITY-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(47, "entityMIB")]),
    group("ENTITY-MIB", Column, &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1], &[
        (2, "entPhysicalDescr"), (3, "entPhysicalVendorType"), (4, "entPhysicalContainedIn"),
        (5, "entPhysicalClass"), (6, "entPhysicalParentRelPos"), (7, "entPhysicalName"),
        (8, "entPhysicalHardwareRev"), (9, "entPhysicalFirmwareRev"), (10, "entPhysicalSoftwareRev"),
        (11, "entPhysicalSerialNum"), (12, "entPhysicalMfgName"), (13, "entPhysicalModelName"),
        (14, "entPhysicalAlias"),
    ]),
    group("ENTITY-SENSOR-MIB", Node, &[1, 3, 6, 1, 2, 1], &[(99, "entitySensorMIB")]),
    group("ENTITY-SENSOR-MIB", Column, &[1, 3, 6, 1, 2, 1, 99, 1, 1, 1], &[
        (1, "entPhySensorType"), (2, "entPhySensorScale"), (3, "entPhySensorPrecision"), (4, "entPhySensorValue"),
        (5, "entPhySensorOperStatus"), (6, "entPhySensorUnitsDisplay"), (7, "entPhySensorValueTimeStamp"),
        (8, "entPhySensorValueUpdateRate"),
    ]),
    group("SNMPv2-SMI", Node, &[1, 3, 6, 1, 4], &[(1, "enterprises")]),
    group("UCD-SNMP-MIB", Node, &[1, 3, 6, 1, 4, 1], &[(2021, "ucdavis")]),
    group("UCD-SNMP-MIB", Column, &[1, 3, 6, 1, 4, 1, 2021, 2, 1], &[
        (2, "prNames"), (3, "prMin"), (4, "prMax"), (5, "prCount"), (100, "prErrorFlag"), (101, "prErrMessage"),
    ]),
    group("UCD-SNMP-MIB", Node, &[1, 3, 6, 1, 4, 1, 2021], &[(4, "memory")]),
    group("UCD-SNMP-MIB", Scalar, &[1, 3, 6, 1, 4, 1, 2021, 4], &[
        (3, "memTotalSwap"), (4, "memAvailSwap"), (5, "memTotalReal"), (6, "memAvailReal"), (11, "memTotalFree"),
        (12, "memMinimumSwap"), (13, "memShared"), (14, "memBuffer"), (15, "memCached"), (18, "memTotalSwapX"),
        (19, "memAvailSwapX"), (20, "memTotalRealX"), (21, "memAvailRealX"), (22, "memTotalFreeX"),
        (27, "memSysAvail"), (100, "memSwapError"),
    ]),
    group("UCD-SNMP-MIB", Node, &[1, 3, 6, 1, 4, 1, 2021], &[(9, "dskTable")]),
    group("UCD-SNMP-MIB", Column, &[1, 3, 6, 1, 4, 1, 2021, 9, 1], &[
        (1, "dskIndex"), (2, "dskPath"), (3, "dskDevice"), (4, "dskMinimum"), (5, "dskMinPercent"), (6, "dskTotal"),
        (7, "dskAvail"), (8, "dskUsed"), (9, "dskPercent"), (10, "dskPercentNode"), (100, "dskErrorFlag"),
        (101, "dskErrorMsg"),
    ]),
    group("UCD-SNMP-MIB", Node, &[1, 3, 6, 1, 4, 1, 2021], &[(10, "laTable")]),
    group("UCD-SNMP-MIB", Column, &[1, 3, 6, 1, 4, 1, 2021, 10, 1], &[
        (1, "laIndex"), (2, "laNames"), (3, "laLoad"), (4, "laConfig"), (5, "laLoadInt"), (6, "laLoadFloat"),
        (100, "laErrorFlag"), (101, "laErrMessage"),
    ]),
    group("UCD-SNMP-MIB", Node, &[1, 3, 6, 1, 4, 1, 2021], &[(11, "systemStats")]),
    group("UCD-SNMP-MIB", Scalar, &[1, 3, 6, 1, 4, 1, 2021, 11], &[
        (3, "ssSwapIn"), (4, "ssSwapOut"), (7, "ssSysInterrupts"), (8, "ssSysContext"), (9, "ssCpuUser"),
        (10, "ssCpuSystem"), (11, "ssCpuIdle"), (50, "ssCpuRawUser"), (51, "ssCpuRawNice"), (52, "ssCpuRawSystem"),
        (53, "ssCpuRawIdle"), (54, "ssCpuRawWait"), (55, "ssCpuRawKernel"), (56, "ssCpuRawInterrupt"),
        (57, "ssIORawSent"), (58, "ssIORawReceived"), (59, "ssRawInterrupts"), (60, "ssRawContexts"),
        (61, "ssCpuRawSoftIRQ"), (62, "ssRawSwapIn"), (63, "ssRawSwapOut"), (64, "ssCpuRawSteal"),
        (67, "ssCpuNumCpus"),
    ]),
    group("UCD-DISKIO-MIB", Node, &[1, 3, 6, 1, 4, 1, 2021, 13, 15, 1], &[(1, "diskIOEntry")]),
    group("UCD-DISKIO-MIB", Column, &[1, 3, 6, 1, 4, 1, 2021, 13, 15, 1, 1], &[
        (1, "diskIOIndex"), (2, "diskIODevice"), (3, "diskIONRead"), (4, "diskIONWritten"), (5, "diskIOReads"),
        (6, "diskIOWrites"), (9, "diskIOLA1"), (10, "diskIOLA5"), (11, "diskIOLA15"), (12, "diskIONReadX"),
        (13, "diskIONWrittenX"),
    ]),
    group("LM-SENSORS-MIB", Column, &[1, 3, 6, 1, 4, 1, 2021, 13, 16, 2, 1], &[
        (1, "lmTempSensorsIndex"), (2, "lmTempSensorsDevice"), (3, "lmTempSensorsValue"),
    ]),
    group("LM-SENSORS-MIB", Column, &[1, 3, 6, 1, 4, 1, 2021, 13, 16, 3, 1], &[
        (1, "lmFanSensorsIndex"), (2, "lmFanSensorsDevice"), (3, "lmFanSensorsValue"),
    ]),
    group("LM-SENSORS-MIB", Column, &[1, 3, 6, 1, 4, 1, 2021, 13, 16, 4, 1], &[
        (1, "lmVoltSensorsIndex"), (2, "lmVoltSensorsDevice"), (3, "lmVoltSensorsValue"),
    ]),
    group("NET-SNMP-EXTEND-MIB", Column, &[1, 3, 6, 1, 4, 1, 8072, 1, 3, 2, 3, 1], &[
        (1, "nsExtendOutput1Line"), (2, "nsExtendOutputFull"), (3, "nsExtendOutNumLines"), (4, "nsExtendResult"),
    ]),
    group("SNMP-FRAMEWORK-MIB", Scalar, &[1, 3, 6, 1, 6, 3, 10, 2, 1], &[
        (1, "snmpEngineID"), (2, "snmpEngineBoots"), (3, "snmpEngineTime"), (4, "snmpEngineMaxMessageSize"),
    ]),
    group("SNMP-USER-BASED-SM-MIB", Scalar, &[1, 3, 6, 1, 6, 3, 15, 1, 1], &[
        (1, "usmStatsUnsupportedSecLevels"), (2, "usmStatsNotInTimeWindows"), (3, "usmStatsUnknownUserNames"),
        (4, "usmStatsUnknownEngineIDs"), (5, "usmStatsWrongDigests"), (6, "usmStatsDecryptionErrors"),
    ]),
];
