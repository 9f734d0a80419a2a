package config

import "floe.dev/floe/api/contract"

// rates are the calls per second that EC2 refills each class's bucket with, by "Request throttling for the Amazon EC2
// API" (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html): Start 2, Stop and Terminate 5, Describe 20.
// CreateFleet is not in that table; it is counted with the mutating calls, which refill with 5.
var rates = map[contract.APIClass]float64{
	contract.ClassLaunch:    5,
	contract.ClassStart:     2,
	contract.ClassStop:      5,
	contract.ClassTerminate: 5,
	contract.ClassRead:      20,
}

// PublishedRate is how many calls of a class per second AWS lets an account make by default.
func PublishedRate(class contract.APIClass) float64 { return rates[class] }

// Rate is how many calls of a class per second the account takes, all workers and clusters together: the account's
// own word, or else AWS's published default.
func (a Account) Rate(class contract.APIClass) float64 {
	if rate, ok := a.Rates[class]; ok {
		return rate
	}
	return rates[class]
}

// gathered is how many activities are reckoned to a call where workers gather what comes together into one call.
const gathered = 20

// QueueRate is how many activities of a class per second the server hands out, to all workers and clusters together.
// A launch is a call of its own. The others are for one machine each, and a call takes hundreds: a rate of calls would
// make 500 machines that leave wait for 100 s where EC2 takes them all at once. Calls are kept to Rate by the workers.
func (a Account) QueueRate(class contract.APIClass) float64 {
	if class == contract.ClassLaunch {
		return a.Rate(class)
	}
	return gathered * a.Rate(class)
}
