// What the page knows of each protocol: its name, what it measures, and what to look at when it fails.

export const PROTOCOLS = {
  ping: { name: 'Ping', about: 'Sends ICMP echo requests: whether it answers, how fast, and how many are lost.' },
  snmp: { name: 'SNMP', about: 'Reads counters and sensors of the device: the traffic of its interfaces, temperatures, whatever it has.' },
  netflow: { name: 'NetFlow', about: 'Receives what the device sends about flows (NetFlow, IPFIX, sFlow): who talks to whom, and how much.' },
};
export const protocolName = (slug) => PROTOCOLS[slug]?.name ?? slug;

const HINTS = {
  snmp: [
    [/no answer|timed? ?out|timeout/i, 'Check the address and the port, that SNMP is switched on at the device, that the community or the user is right (capitals count), and that no filter is between the bot and the device.'],
    [/closed|refused/i, 'Check the port, and that SNMP is switched on at the device.'],
    [/communit/i, 'Compare the community with the one that the device is configured with: capitals count.'],
    [/privacy|privkey|privprotocol/i, 'User and authentication are right. Check the privacy protocol and its key.'],
    [/authenticat|authkey|user ?name|unknown user|securityname/i, 'Check the user name, the authentication protocol and its key.'],
    [/resolve|name or service/i, 'The name has no address. Check how it is written, or enter the address itself.'],
  ],
  ping: [
    [/resolve|name or service/i, 'The name has no address. Check how it is written, or enter the address itself.'],
    [/permission|not permitted/i, 'The bot may not send pings on its host. Its own documentation says how to allow it.'],
  ],
  netflow: [],
};

export function hintFor(protocol, error) {
  return (HINTS[protocol] ?? []).find(([pattern]) => pattern.test(error))?.[1] ?? '';
}
