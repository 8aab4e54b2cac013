//! Simulated devices in a process of their own, on the other core: this program, started once more.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use super::simulated::agent::{Agent, Behaviour, Mib};
use super::simulated::ber::Var;
use super::{OTHER_CORE, machine};

/// The argument with which a load program is asked to be the agent.
pub(crate) const ARGUMENT: &str = "agent";

/// A process that answers for all of 127.0.0.0/8.
pub(crate) struct AgentProcess {
    child: Child,
    port: u16,
    /// The process ends when this is closed, also when we die.
    _leash: Option<ChildStdin>,
}

impl AgentProcess {
    /// Switches of so many interfaces, that answer after a while.
    pub(crate) fn start(interfaces: u32, delay: Duration) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--bench", ARGUMENT, &interfaces.to_string(), &delay.as_micros().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program once more");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the port");
        let (port, leash) = (line.trim().parse().expect("a port"), child.stdin.take());
        Self { child, port, _leash: leash }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn device(&self, address: Ipv4Addr) -> SocketAddr {
        (address, self.port).into()
    }

    pub(crate) fn cpu(&self) -> f64 {
        machine::cpu_of(self.child.id())
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the agent, with the arguments that come after [`ARGUMENT`], until standard input is closed.
pub(crate) fn serve(arguments: &[String]) {
    machine::stay_on(OTHER_CORE);
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u64>().ok());
    let interfaces = numbers.next().expect("the number of interfaces") as u32;
    let delay = Duration::from_micros(numbers.next().expect("the delay in µs"));
    let agent = Agent::start(switch(interfaces));
    agent.behave_elsewhere(Behaviour { delay, ..Behaviour::default() });
    println!("{}", agent.device(Ipv4Addr::LOCALHOST).port());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn switch(interfaces: u32) -> Mib {
    let vars = [
        Var::text("a simulated switch"),
        Var::Object(vec![1, 3, 6, 1, 4, 1, 9, 1, 516]),
        Var::TimeTicks(123_456),
        Var::text("nobody"),
        Var::text("switch"),
        Var::text("nowhere"),
        Var::Integer(6),
        Var::Integer(interfaces as i32),
        Var::Integer(2),
        Var::Integer(64),
    ];
    let scalars = super::ten_scalars().into_iter().map(|oid| oid.arcs().to_vec()).zip(vars);
    Mib::new(scalars.chain(Mib::if_table(interfaces)))
}
