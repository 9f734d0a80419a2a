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

// Rate is how many calls of a class per second the account takes, all workers and clusters together: the account's
// own word, or else AWS's published default.
func (a Account) Rate(class contract.APIClass) float64 {
	if rate, ok := a.Rates[class]; ok {
		return rate
	}
	return rates[class]
}
