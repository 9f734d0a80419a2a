// Package reclaim is what Floe knows of machines that AWS takes back: how a message of EventBridge is read and checked,
// what several notices for one machine come to, and how the time that is left is divided. It is pure: no I/O, no clock.
package reclaim
