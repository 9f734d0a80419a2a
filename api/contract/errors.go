package contract

// Types of the application errors that cross from activities to workflows. Activities classify at their edge; control
// flow never looks at a message.
const (
	// ErrInvalidInput: the payload is wrong; the message names the field and what would be right. Not retryable.
	ErrInvalidInput = "InvalidInput"
	// ErrPoolNotFound: the cluster has no NodePool of that name.
	ErrPoolNotFound = "PoolNotFound"
	// ErrPoolInvalid: the NodePool cannot work as it is (no such template, subnet, account; nothing matches its
	// requirements); the message names the field and the remedy.
	ErrPoolInvalid = "PoolInvalid"
	// ErrAccessDenied: AWS or Kubernetes refuses the call; the message names the action that is not allowed.
	ErrAccessDenied = "AccessDenied"
	// ErrThrottled: the API asks to come later. Retryable, benign, carries the delay.
	ErrThrottled = "Throttled"
	// ErrLostAnswer: a mutating call may have taken effect, its answer was lost. Retryable: the retry looks up first.
	ErrLostAnswer = "LostAnswer"
	// ErrNodeNotFound: the cluster has no such Node.
	ErrNodeNotFound = "NodeNotFound"
	// ErrUnavailable: the other side is down or unreachable. Retryable.
	ErrUnavailable = "Unavailable"
	// ErrBusy: the workflow handles another operation or is about to continue as new; ask again.
	ErrBusy = "Busy"
	// ErrHeld: a person holds the node, so that nothing voluntary begins on it; the message says who, until when, why,
	// and how to release it.
	ErrHeld = "Held"
)
