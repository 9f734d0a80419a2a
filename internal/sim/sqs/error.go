package sqs

import (
	"net/http"

	"floe.dev/floe/internal/sim/awsjson"
	"floe.dev/floe/internal/sim/query"
)

// queryCodes are the codes that errors had in SQS' older protocol, where they differ from their names. SQS still sends
// them, in a header, and SDKs show them as the code
// (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-api-responses.html).
var queryCodes = map[string]string{
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"InvalidBatchEntryId":          "AWS.SimpleQueueService.InvalidBatchEntryId",
	"MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
	"PurgeQueueInProgress":         "AWS.SimpleQueueService.PurgeQueueInProgress",
	"QueueDeletedRecently":         "AWS.SimpleQueueService.QueueDeletedRecently",
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"QueueNameExists":              "QueueAlreadyExists",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"UnsupportedOperation":         "AWS.SimpleQueueService.UnsupportedOperation",
}

// WriteError refuses in the shape of SQS.
func WriteError(w http.ResponseWriter, e *query.Error) error {
	code := e.Code
	if older, ok := queryCodes[code]; ok {
		code = older
	}
	fault := "Sender"
	if e.HTTPStatus() >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	w.Header().Set("X-Amzn-Query-Error", code+";"+fault)
	return awsjson.WriteError(w, awsjson.V10, "com.amazonaws.sqs#"+e.Code, e)
}
