//! The whole bot: for minutes, and with more than it can remember.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use grafolean_netflow_bot::Ip;
use grafoleancollector::{Clock, SystemClock};
use tokio::time::Instant;

use crate::datagrams::{self, Form};
use crate::receivers::{Bot, Target};
use crate::sender::Sender;
use crate::traffic::Traffic;
use crate::{OTHER_CORE, machine, percent_lacking};

/// A million flows a minute.
pub(crate) fn soak(seconds: u64) {
    const PER_SECOND: u64 = 1_000_000 / 60;
    let mut bot = Bot::start();
    let mut sender = Sender::new(Form::V9, bot.port());
    sender.send_templates();
    // What it does only once, among it the first minute's end.
    sender.run(PER_SECOND, Duration::from_secs(65));
    let cpu = bot.cpu();
    sender.run(PER_SECOND, Duration::from_secs(seconds));
    let cpu = (bot.cpu() - cpu) / seconds as f64 * 100.0;
    std::thread::sleep(Duration::from_secs(2));
    let lost = percent_lacking(bot.bytes(), sender.bytes());
    let undelivered = percent_lacking(bot.delivered(sender.bytes()), sender.bytes());
    let memory = bot.peak_megabytes();
    println!("| flows per minute | seconds | lost | not delivered | CPU of a core | peak memory |");
    println!("|---:|---:|---:|---:|---:|---:|");
    println!("| {} | {seconds} | {lost} | {undelivered} | {cpu:.2} % | {memory:.0} MB |", PER_SECOND * 60);
}

/// A thousand exporters with twenty templates each, and ten million flows of as many hosts within a minute.
pub(crate) fn memory() {
    const EXPORTERS: u32 = 1_000;
    const TEMPLATES: u16 = 20;
    const FLOWS: u32 = 10_000_000;
    let address = |n: u32| Ipv4Addr::from(0x7f01_0001 + n / 250 * 256 + n % 250);
    let addresses: Vec<String> = (0..EXPORTERS).map(|n| address(n).to_string()).collect();
    let mut bot = Bot::with_exporters(&addresses);
    machine::stay_on(OTHER_CORE);
    let mut traffic = Traffic::new(11, SystemClock.now().as_millis());
    let mut exporters: Vec<(UdpSocket, u32)> = (0..EXPORTERS)
        .map(|n| {
            let socket = UdpSocket::bind((address(n), 0)).expect("a socket");
            socket.connect(("127.0.0.1", bot.port())).expect("an address");
            (socket, 0)
        })
        .collect();
    let mut send = |n: usize, mut datagram: datagrams::Datagram| {
        let (socket, sequence) = &mut exporters[n];
        datagram.number(Form::V9, *sequence);
        *sequence += 1;
        socket.send(&datagram.bytes).expect("the bot listens");
        datagram.octets
    };
    let seconds = (traffic.now / 1_000) as u32;
    for n in 0..EXPORTERS as usize {
        send(n, datagrams::templates(seconds, 1, TEMPLATES));
        std::thread::sleep(Duration::from_micros(100));
    }
    // From a minute's beginning on, so that all are of one minute.
    let into = SystemClock.now().as_millis() % 60_000;
    std::thread::sleep(Duration::from_millis(60_500 - into as u64));
    traffic.now = SystemClock.now().as_millis();
    let (began, mut sent, mut bytes) = (Instant::now(), 0, 0);
    let every = Form::V9.flows() as u32;
    while sent < FLOWS {
        let n = (sent / every % EXPORTERS) as usize;
        let flows: Vec<_> = (0..every)
            .map(|at| {
                let key = (sent + at).wrapping_mul(2_654_435_761);
                grafolean_netflow_bot::Flow { src: Ip::v4(key), dst: Ip::v4(!key), ..traffic.flow() }
            })
            .collect();
        let template = datagrams::TEMPLATE + (sent / every / EXPORTERS) as u16 % TEMPLATES;
        let datagram = datagrams::v9(&mut traffic, 1, template, &flows);
        bytes += send(n, datagram);
        sent += every;
        let ahead = f64::from(sent) / f64::from(FLOWS) * 55.0 - began.elapsed().as_secs_f64();
        if ahead > 0.001 {
            std::thread::sleep(Duration::from_secs_f64(ahead));
        }
    }
    bot.settle();
    let at_once = bot.process().memory_mb("VmRSS");
    let lost = percent_lacking(bot.bytes(), bytes);
    let undelivered = percent_lacking(bot.delivered(bytes), bytes);
    println!(
        "| exporters | templates | keys in a minute | lost | not delivered | memory before its end | peak memory |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let peak = bot.peak_megabytes();
    let templates = EXPORTERS * u32::from(TEMPLATES);
    println!(
        "| {EXPORTERS} | {templates} | {sent} | {lost} | {undelivered} | {at_once:.0} MB | {peak:.0} MB |"
    );
}
