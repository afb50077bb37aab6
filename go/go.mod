module rugo

go 1.26
