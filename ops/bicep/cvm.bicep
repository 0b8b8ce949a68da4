// One confidential virtual machine on Azure: SEV-SNP (DCasv5, ECasv5) or TDX (DCesv5, ECesv5).
// The paravisor owns the launch measurement; what runs in the guest is measured into its vTPM.

@description('Name of the machine.')
param name string = 'coco-node'

param location string = resourceGroup().location

@description('SNP: Standard_DC2as_v5 and larger. TDX: Standard_DC2es_v5 and larger.')
param vmSize string = 'Standard_DC2as_v5'

@description('Exact version of the image: az vm image list --publisher Canonical --offer ... --all')
param imageVersion string

@description('Image that supports confidential machines, without its version.')
param imageReference object = {
  publisher: 'Canonical'
  offer: '0001-com-ubuntu-confidential-vm-jammy'
  sku: '22_04-lts-cvm'
}

@description('User that may log in for set-up.')
param adminUsername string = 'operator'

@description('Public key of that user. Passwords are off.')
param adminPublicKey string

@description('cloud-init that installs the program and ops/systemd. Never put secrets here.')
param customData string = ''

@description('Address range that may use SSH; empty: nobody.')
param adminSourceRange string = ''

var sshRule = {
  name: 'ssh'
  properties: {
    priority: 110
    direction: 'Inbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefix: adminSourceRange
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRange: '22'
  }
}

var clientRule = {
  name: 'clients'
  properties: {
    priority: 100
    direction: 'Inbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRange: '8080'
  }
}

resource securityGroup 'Microsoft.Network/networkSecurityGroups@2023-09-01' = {
  name: '${name}-nsg'
  location: location
  properties: {
    securityRules: empty(adminSourceRange) ? [clientRule] : [clientRule, sshRule]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2023-09-01' = {
  name: '${name}-vnet'
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: ['10.0.0.0/24']
    }
    subnets: [
      {
        name: 'nodes'
        properties: {
          addressPrefix: '10.0.0.0/26'
          networkSecurityGroup: {
            id: securityGroup.id
          }
        }
      }
    ]
  }
}

resource publicAddress 'Microsoft.Network/publicIPAddresses@2023-09-01' = {
  name: '${name}-ip'
  location: location
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource card 'Microsoft.Network/networkInterfaces@2023-09-01' = {
  name: '${name}-nic'
  location: location
  properties: {
    ipConfigurations: [
      {
        name: 'main'
        properties: {
          subnet: {
            id: network.properties.subnets[0].id
          }
          publicIPAddress: {
            id: publicAddress.id
          }
        }
      }
    ]
  }
}

resource machine 'Microsoft.Compute/virtualMachines@2023-09-01' = {
  name: name
  location: location
  properties: {
    hardwareProfile: {
      vmSize: vmSize
    }
    securityProfile: {
      securityType: 'ConfidentialVM'
      uefiSettings: {
        secureBootEnabled: true
        vTpmEnabled: true
      }
    }
    storageProfile: {
      imageReference: union(imageReference, { version: imageVersion })
      osDisk: {
        createOption: 'FromImage'
        managedDisk: {
          storageAccountType: 'Premium_LRS'
          securityProfile: {
            securityEncryptionType: 'DiskWithVMGuestState'
          }
        }
      }
    }
    osProfile: {
      computerName: name
      adminUsername: adminUsername
      customData: empty(customData) ? null : base64(customData)
      linuxConfiguration: {
        disablePasswordAuthentication: true
        ssh: {
          publicKeys: [
            {
              path: '/home/${adminUsername}/.ssh/authorized_keys'
              keyData: adminPublicKey
            }
          ]
        }
      }
    }
    networkProfile: {
      networkInterfaces: [
        {
          id: card.id
        }
      ]
    }
  }
}

output address string = '${publicAddress.properties.ipAddress}:8080'
