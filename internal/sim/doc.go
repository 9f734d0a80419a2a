// Package sim is a simulated AWS on the wire: EC2's query protocol, as much of STS, SSM, SQS and the price list as Floe
// needs, and the machines that EC2 launches, which boot and join a real Kubernetes cluster. Unmodified SDKs and the AWS CLI
// talk to it. It is made to be harder to please than AWS: what AWS refuses it refuses, and what AWS leaves open it answers
// in the worst way that its documentation allows.
//
// The parts: query and awsjson speak the protocols, ec2, sqs and pricing are the APIs, cloud the world behind them,
// capacity what a region has to give, events what it tells, machine what boots in it, script the language in which a
// scenario says what goes wrong, and this package puts them behind one listener, together with a private API that is not
// AWS's: GET /truth tells all that ever happened, POST /script lets more happen. The scenarios in scenarios/ come with it.
//
// Time: Options.Speed divides the latencies of EC2, of its calls and of booting, and the times of scripts, traces, models
// and image pulls. Leases and heartbeats of machines keep real time, because Kubernetes' controllers, which judge them, do;
// so do API budgets, prices by the hour, and what clients know from their own configuration: DescribeLag, TagLag, the two
// minutes of a reclaim, and the rules of hibernation.
package sim
